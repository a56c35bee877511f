set -e
sh /app/serve.sh | grep -q 'this is the api'
echo 'the api answers'
