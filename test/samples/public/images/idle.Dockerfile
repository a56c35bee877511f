# Works away and answers nobody.
FROM busybox:stable
COPY sh /shell
RUN rm /bin/sh && busybox mv /shell /bin/sh
CMD ["sh", "-c", "trap exit TERM; while :; do sleep 1 & wait; done"]
