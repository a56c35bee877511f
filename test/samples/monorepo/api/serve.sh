. /lib/lib.sh
answer "this is the api"
