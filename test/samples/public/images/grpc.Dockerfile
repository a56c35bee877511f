# Answers the standard health check of gRPC on the port that PORT names.
FROM busybox:stable
COPY serving /serving
CMD ["sh", "-c", "exec nc -ll -p $PORT -e /serving"]
