# Prints the group that nginx's workers run as: what nginx.conf's `user` says, else that user's own, else nogroup.
said=$(sed -nE 's/^[[:space:]]*user[[:space:]]+([a-z_][a-z0-9_-]*)([[:space:]]+([a-z_][a-z0-9_-]*))?[[:space:]]*;.*/\1 \3/p' \
  /etc/nginx/nginx.conf 2>/dev/null | head -n 1)
set -- $said
if [ -n "$2" ]; then echo "$2"
elif [ -n "$1" ]; then id -gn -- "$1" 2>/dev/null || echo "$1"
else echo nogroup
fi
