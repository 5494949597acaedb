#!/bin/sh
# What a container of the image runs: its arguments become a server, or the program they name.
#
#   docker run IMAGE                              redis-server
#   docker run IMAGE --appendonly yes             redis-server --appendonly yes
#   docker run IMAGE /etc/redis.conf              redis-server /etc/redis.conf
#   docker run IMAGE redis-cli -h other ping      redis-cli, as it is
#
# For the server, the environment may add settings. They come before the arguments, so the arguments win:
#
#   REDIS_PASSWORD, DFLY_PASSWORD     requirepass
#   REDIS_PASSWORD_FILE               requirepass, from a file (a mounted secret)
#   DFLY_name=value                   --name value, with dashes for the underscores of the name
#   VALKEY_EXTRA_FLAGS                further arguments, split at spaces; these come last
#
# The server starts as root only to give the data directory to the user it then becomes. SKIP_FIX_PERMS and
# SKIP_DROP_PRIVS, set to anything, leave out one or the other.
set -eu

user=redis

# Options and configuration files are for the server.
case "${1-}" in
    '' | -* | *.conf) set -- redis-server "$@" ;;
esac

case "$1" in
    redis-server | bitmapd | */redis-server | */bitmapd) ;;
    *) exec "$@" ;;
esac

server=$1
shift

# A file, or a dash for standard input, has to stay in front of everything else.
first=
case "${1-}" in
    - | [!-]*)
        first=$1
        shift
        ;;
esac

password=${REDIS_PASSWORD:-${DFLY_PASSWORD:-}}
if [ -n "${REDIS_PASSWORD_FILE:-}" ]; then
    password=$(cat "$REDIS_PASSWORD_FILE")
fi

for name in $(env | sed -n 's/^DFLY_\([a-z][a-z0-9_]*\)=.*/\1/p' | sort -r); do
    eval "value=\$DFLY_$name"
    if [ "$name" = requirepass ]; then
        password=${password:-$value}
    else
        set -- "--$(echo "$name" | tr _ -)" "$value" "$@"
    fi
done

# shellcheck disable=SC2086 # it is meant to split
set -- "$server" ${first:+"$first"} "$@" ${VALKEY_EXTRA_FLAGS:-}

# What the server writes is nobody else's to read. A mask that somebody chose is kept.
if [ "$(umask)" = 0022 ]; then
    umask 0077
fi

if [ "$(id -u)" = 0 ]; then
    if [ -z "${SKIP_FIX_PERMS:-}" ]; then
        find . ! -user "$user" -exec chown "$user:$user" '{}' +
    fi
    if [ -z "${SKIP_DROP_PRIVS:-}" ]; then
        set -- setpriv --reuid="$user" --regid="$user" --clear-groups -- "$@"
    fi
fi

unset REDIS_PASSWORD DFLY_PASSWORD DFLY_requirepass
if [ -z "$password" ]; then
    exec "$@"
fi

# The password goes in through standard input: arguments can be read by everybody on the machine.
for last do :; done
rest=
if [ "$first" = - ] || [ "$last" = - ]; then
    rest=$(cat)
else
    set -- "$@" -
fi
quoted=$(printf '%s' "$password" | sed 's/[\\"]/\\&/g')
exec "$@" <<EOF
requirepass "$quoted"
$rest
EOF
