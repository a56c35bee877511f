# Shared by all services.
answer() { printf 'HTTP/1.0 200 OK\r\nContent-Length: %s\r\n\r\n%s' "${#1}" "$1"; }
