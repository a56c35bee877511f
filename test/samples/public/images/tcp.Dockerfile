# Takes connections on the ports of the databases that it stands for.
FROM busybox:stable
CMD ["sh", "-c", "nc -ll -p 5432 -e cat & nc -ll -p 6379 -e cat & trap 'kill $(jobs -p); exit' TERM; wait"]
