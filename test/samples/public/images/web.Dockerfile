# Answers on the port that PORT names, as any user, and writes nothing.
FROM busybox:stable
RUN mkdir /www && echo hello > /www/index.html && echo ok > /www/_healthz && echo ok > /www/healthz
ENV PORT=80
CMD ["sh", "-c", "exec busybox httpd -f -p $PORT -h /www"]
