set -e
sh /app/serve.sh | grep -q 'this is the web'
echo 'the web answers'
