#!/usr/bin/env bash
# redis-cli as people use it in a shell: arguments, quoting, pipes, scripts on standard input, --pipe, --scan, --bigkeys.
#
#   redis_cli.sh HOST PORT        (the server's data is flushed; REDIS_CLI names another redis-cli)
set -uo pipefail

host=${1:?usage: redis_cli.sh HOST PORT}
port=${2:?usage: redis_cli.sh HOST PORT}
failed=0

cli() {
    "${REDIS_CLI:-redis-cli}" -h "$host" -p "$port" "$@"
}

# equal NAME GOT EXPECTED
equal() {
    if [[ $2 == "$3" ]]; then
        echo "ok $1"
    else
        failed=1
        echo "not ok $1"
        printf '  got      %q\n  expected %q\n' "$2" "$3"
    fi
}

equal "flush" "$(cli FLUSHALL)" "OK"
equal "ping" "$(cli PING)" "PONG"

# Arguments from the shell.
equal "setbit" "$(cli SETBIT visits 42 1)$(cli setbit visits 42 1)" "01"
equal "a key with spaces" "$(cli SETBIT 'page views' 7 1; cli BITCOUNT 'page views')" $'0\n1'
equal "an empty argument" "$(cli SET k ''; cli STRLEN k)" $'OK\n0'
equal "raw bytes" "$(cli SETBIT raw 7 1 >/dev/null; cli SETBIT raw 8 1 >/dev/null; cli --raw GET raw | od -An -tx1 | tr -d ' \n')" "01800a"
equal "shown with escapes" "$(cli --no-raw GET raw)" '"\x01\x80"'
equal "integers, shown" "$(cli --no-raw BITCOUNT raw)" "(integer) 2"
equal "an array, shown" "$(cli --no-raw BITFIELD raw GET u8 0 OVERFLOW FAIL INCRBY u8 0 255)" $'1) (integer) 1\n2) (nil)'
equal "an error" "$(cli SETBIT raw -1 1)" "ERR bit offset is not an integer or out of range"
equal "an error's exit status" "$(cli -e SETBIT raw -1 1 >/dev/null 2>&1; echo $?)" "1"
equal "the last argument from standard input" "$(printf 'from stdin' | cli -x SET k; cli GET k)" $'OK\nfrom stdin'
equal "another database" "$(cli -n 3 SET there 1; cli -n 3 DBSIZE; cli EXISTS there)" $'OK\n1\n0'
equal "RESP3" "$(cli -3 --no-raw CONFIG GET databases)" '1# "databases" => "16"'
equal "repeated" "$(cli -r 3 INCR counter)" $'1\n2\n3'
equal "csv" "$(cli --csv MGET counter missing)" '"3",NULL'
equal "json" "$(cli --json CONFIG GET databases 2>/dev/null)" '{"databases":"16"}'

# Lines on standard input, with redis-cli's own quoting.
script='SET bytes "\xff\xf0\x00"
BITPOS bytes 0
BITCOUNT bytes
SET spaced '"'a b'"'
GET spaced
MULTI
SETBIT t 1 1
BITCOUNT t
EXEC
NOSUCH a'
expected="OK
12
12
OK
a b
OK
QUEUED
QUEUED
0
1
ERR unknown command 'NOSUCH', with args beginning with: 'a' "
equal "a script on standard input" "$(printf '%s\n' "$script" | cli)" "$expected"

# A week of visitors through --pipe, joined, and counted by another tool.
week() {
    for day in 1 2 3 4 5 6 7; do
        for visitor in $(seq "$day" 11 3000); do
            printf 'SETBIT day:%d %d 1\r\n' "$day" "$visitor"
        done
    done
}
sent=$(week | wc -l)
equal "mass insertion" "$(week | cli --pipe 2>&1 | tail -1)" "errors: 0, replies: $sent"
distinct=$(week | cut -d' ' -f3 | sort -u | wc -l)
cli BITOP OR week day:1 day:2 day:3 day:4 day:5 day:6 day:7 >/dev/null
equal "weekly visitors" "$(cli BITCOUNT week)" "$distinct"
equal "the join expires" "$(cli EXPIRE week 60)$(cli PERSIST week)" "11"
equal "scan by pattern" "$(cli --scan --pattern 'day:*' | sort | tr '\n' ' ')" "day:1 day:2 day:3 day:4 day:5 day:6 day:7 "
equal "binary-safe multibulk by --pipe" "$(printf '*3\r\n$3\r\nSET\r\n$3\r\nbin\r\n$4\r\n\x00\xff\r\n\r\n*2\r\n$6\r\nSTRLEN\r\n$3\r\nbin\r\n' | cli --pipe 2>&1 | tail -1)" "errors: 0, replies: 2"
equal "those bytes" "$(cli --no-raw GET bin)" '"\x00\xff\r\n"'
equal "big keys" "$(cli --bigkeys 2>/dev/null | grep -c 'strings with')" "1"
equal "memory keys" "$(cli --memkeys 2>/dev/null | grep -c 'strings with')" "1"
# redis-cli's other modes, each for as long as a person would look.
equal "stat" "$(cli --stat -i 0.05 2>/dev/null | head -6 | grep -cE '^[0-9]+ +[0-9.]+[KMG] +[0-9]+ +[0-9]+ +[0-9]+ \(\+[0-9]+\)')" "4"
equal "latency" "$(timeout 5 "${REDIS_CLI:-redis-cli}" -h "$host" -p "$port" --raw -i 0.2 --latency | awk '{ print NF, ($3 < 1000), ($4 > 0) }')" "4 1 1"
equal "hot keys need LFU" "$(cli --hotkeys 2>&1 | grep -c 'maxmemory policy is not')" "1"
equal "scan of everything" "$(cli --scan | wc -l)" "$(cli DBSIZE)"
listen() {
    timeout 5 "${REDIS_CLI:-redis-cli}" -h "$host" -p "$port" "$@" &
    sleep 0.3
}
heard=$(listen SUBSCRIBE news | sed -u '6q' & sleep 0.6; cli PUBLISH news hello >/dev/null; wait)
equal "subscribe" "$(printf '%s' "$heard" | tr '\n' ' ')" "subscribe news 1 message news hello"
heard=$(listen MONITOR | sed -u '2q' & sleep 0.6; cli SETBIT seen 7 1 >/dev/null; wait)
equal "monitor" "$(printf '%s' "$heard" | tail -1 | sed 's/.*] //')" '"SETBIT" "seen" "7" "1"'

# redis-benchmark with its own list of tests, as far as they are strings.
bench() {
    "${REDIS_BENCHMARK:-redis-benchmark}" -h "$host" -p "$port" "$@" 2>&1
}
if command -v "${REDIS_BENCHMARK:-redis-benchmark}" >/dev/null; then
    tests=ping_inline,ping_mbulk,set,get,incr,mset
    equal "redis-benchmark" "$(bench -q -n 1000 -c 10 -t $tests | tr '\r' '\n' | grep -c 'requests per second, p50=')" "6"
    equal "redis-benchmark with pipelines and random keys" \
        "$(bench -q -n 2000 -c 10 -P 16 -r 1000 SETBIT bits:__rand_int__ 7 1 | tr '\r' '\n' | grep -c 'requests per second, p50=')" "1"
fi

equal "info" "$(cli INFO server | tr -d '\r' | grep '^redis_version:')" "redis_version:8.2.3"
equal "a table of a hundred lines" "$(for n in $(seq 100); do echo "SETBIT many:$n $n 1"; done | cli | sort -u)" "0"
equal "keys" "$(cli KEYS 'many:9?' | wc -l)" "10"
equal "flush again" "$(cli FLUSHALL)$(cli DBSIZE)" "OK0"

exit $failed
