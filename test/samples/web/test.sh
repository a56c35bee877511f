grep -q '^version ' /www/index.html || { echo 'index.html names no version' >&2; exit 1; }
echo 'index.html names its version'
