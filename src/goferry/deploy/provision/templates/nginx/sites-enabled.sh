# Ends with 0 where nginx.conf includes the folder, as Debian's does after conf.d.
test -d /etc/nginx/sites-enabled &&
  grep -Eqs '^[[:space:]]*include[[:space:]]+(/etc/nginx/)?sites-enabled/' /etc/nginx/nginx.conf
