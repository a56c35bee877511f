# A shell as process 1 ignores SIGTERM unless it asks for it.
trap 'kill "$server"; exit 0' TERM
httpd -f -p 8080 -h /www &
server=$!
wait "$server"
