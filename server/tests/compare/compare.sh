#!/usr/bin/env bash
# Runs the load tool in turn against detcd, a real etcd 3.7.1 and a bare gRPC echo, on one machine and one disk, and
# prints a markdown table of medians with the ratio of etcd to detcd (above 1: detcd needs less, or does more).
#
#   compare.sh LOAD ECHO PEER [DETCD]
#
# LOAD and ECHO are the release builds of the examples of those names, PEER is the program of server/tests/go/peer,
# DETCD the release build of the server; without it only the other two are measured. The environment changes the rest:
#   ROUNDS=5           interleaved rounds; the table has their medians
#   SECONDS_EACH=3     measured seconds of each workload, after one of warm-up
#   DIR=.              where data directories are made: a real disk, never tmpfs, since every put waits for it
#   MEMBERS="1 3"      sizes of cluster
#   CLIENTS="1 64 512" clients at once
#   RATE_ROUNDS=5      rounds of the fixed rate (half of the slower one's best), whose p99 is compared
#   KEYS=100000        keys in the key space; LARGE=1000000 those of the one-member list, count and memory (0: none)
set -euo pipefail

[ $# -ge 3 ] && [ $# -le 4 ] || { sed -n '2,/^set/p' "$0" | sed '$d; s/^# \{0,1\}//' >&2; exit 2; }
load=$1 echo_server=$2 peer=$3 detcd=${4:-}
rounds=${ROUNDS:-5} seconds=${SECONDS_EACH:-3} members=${MEMBERS:-1 3} clients=${CLIENTS:-1 64 512}
keys=${KEYS:-100000} large=${LARGE:-1000000}
work=$(mktemp -d "${DIR:-.}/compare.XXXXXX")
[ "$(stat -f -c %T "$work")" != tmpfs ] || { echo "$work is not on a disk" >&2; rm -rf "$work"; exit 2; }
results=$work/results pids=()

stop() {
    [ ${#pids[@]} -eq 0 ] && return
    kill "${pids[@]}" 2>/dev/null || true
    wait "${pids[@]}" 2>/dev/null || true
    pids=()
}
trap 'stop; rm -rf "$work"' EXIT

connections_for() { case $1 in 1) echo 1 ;; 64) echo 8 ;; *) echo $((($1 + 7) / 8)) ;; esac; }
ports=(23790 23791 23792) peer_ports=(23890 23891 23892)

# start SERVER MEMBERS [kept]: sets pids and endpoints; the data directories are new, or as the last start left them.
start() {
    local server=$1 count=$2 n cluster="" log
    endpoints="" pids=()
    for ((n = 0; n < count; n++)); do cluster+="${cluster:+,}m$n=http://127.0.0.1:${peer_ports[n]}"; done
    for ((n = 0; n < count; n++)); do
        local client=http://127.0.0.1:${ports[n]} between=http://127.0.0.1:${peer_ports[n]}
        log=$work/$server-$n.log
        [ "${3:-}" = kept ] || rm -rf "$work/$server-$n"
        case $server in
            echo) "$echo_server" "127.0.0.1:${ports[n]}" >"$log" 2>&1 & ;;
            etcd) "$peer" --name "m$n" --data-dir "$work/$server-$n" --client-url "$client" --peer-url "$between" \
                --initial-cluster "$cluster" --quota-backend-bytes 8589934592 >"$log" 2>&1 & ;;
            detcd) "$detcd" --name "m$n" --data-dir "$work/$server-$n" \
                --listen-client-urls "$client" --advertise-client-urls "$client" \
                --listen-peer-urls "$between" --initial-advertise-peer-urls "$between" \
                --initial-cluster "$cluster" --quota-backend-bytes 8589934592 >"$log" 2>&1 & ;;
        esac
        pids+=($!)
        endpoints+=${endpoints:+,}$client
    done
    for ((n = 0; n < count; n++)); do
        for _ in $(seq 3000); do
            grep -q 'ready' "$work/$server-$n.log" && continue 2
            kill -0 "${pids[n]}" || break
            sleep 0.01
        done
        echo "$server does not start:" >&2; cat "$work/$server-$n.log" >&2; exit 1
    done
}

# measure SERVER MEMBERS CLIENTS KEYS WORKLOAD... [-- OPTION...]: appends "members server JSON" lines to the results.
measure() {
    local server=$1 count=$2 n=$3 space=$4; shift 4
    "$load" --json --label "$server" --endpoints "$endpoints" --pids "$(IFS=,; echo "${pids[*]}")" \
        --clients "$n" --connections "$(connections_for "$n")" --keys "$space" --seconds "$seconds" "$@" |
        sed "s/^/$count $space /" | tee -a "$results" >&2
}

round() {
    local server=$1 count=$2 n
    start "$server" "$count"
    if [ "$server" = echo ]; then
        for n in $clients; do measure echo "$count" "$n" "$keys" put get; done
        stop
        return
    fi
    measure "$server" "$count" 64 "$keys" fill
    for n in $clients; do measure "$server" "$count" "$n" "$keys" put get sget txn; done
    measure "$server" "$count" 64 "$keys" list count keepalive
    measure "$server" "$count" 10 "$keys" watch --watchers 200 --rate 100
    stop
}

# best_of_slower MEMBERS WORKLOAD: the highest rate that the slower server reached in any round so far.
best_of_slower() {
    awk -v members="$1" -v workload="$2" '
    function field(name,   at, rest) {
        at = index($0, "\"" name "\":"); rest = substr($0, at + length(name) + 3); gsub(/^"/, "", rest); sub(/[",}].*/, "", rest)
        return rest
    }
    $1 == members && field("workload") == workload && field("label") != "echo" && field("rate") + 0 == 0 {
        if (field("ops_per_s") + 0 > best[field("label")]) best[field("label")] = field("ops_per_s") + 0
    }
    END { for (label in best) if (!slower || best[label] < slower) slower = best[label]; print int(slower) }' "$results"
}

# For the tail: the same rate for all, half of the slower one's best.
fixed_rate_round() {
    local workload rate
    start "$1" "$2"
    measure "$1" "$2" 64 "$keys" fill
    for workload in put get; do
        rate=$(best_of_slower "$2" "$workload")
        measure "$1" "$2" 512 "$keys" "$workload" --rate $((rate / 200 * 100))
    done
    stop
}

# The one-member store of many keys: what it holds, what a page and a count of it cost, how long it takes to come back.
large_round() {
    start "$1" 1
    measure "$1" 1 64 "$large" fill
    measure "$1" 1 1 "$large" list count get
    stop
    local before; before=$(date +%s%N)
    start "$1" 1 kept
    echo "1 $large {\"label\":\"$1\",\"workload\":\"restart\",\"clients\":0,\"rate\":0,\"p50_ms\":$((($(date +%s%N) - before) / 1000000))}" |
        tee -a "$results" >&2
    stop
}

# The medians of every (members, keys, workload, clients, rate, server), one column block per server.
table() {
    awk -v rounds="$rounds" '
    function field(name,   at, rest) {
        at = index($0, "\"" name "\":"); if (!at) return ""
        rest = substr($0, at + length(name) + 3); gsub(/^"/, "", rest); sub(/[",}].*/, "", rest); return rest
    }
    function median(k,   n, i, j, v, a) {
        n = split(samples[k], a, " "); if (!n) return "-"
        for (i = 2; i <= n; i++) { v = a[i] + 0; for (j = i - 1; j > 0 && a[j] + 0 > v; j--) a[j + 1] = a[j]; a[j + 1] = v }
        return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    }
    function show(x) { return x == "-" ? x : x >= 100 ? sprintf("%.0f", x) : sprintf("%.4g", x) }
    function ratio(a, b) { return a == "-" || b == "-" || b + 0 == 0 ? "-" : sprintf("%.2f", a / b) }
    {
        row = $1 " | " $2 " | " field("workload") " | " field("clients") " | " field("rate"); server = field("label")
        if (!(row in known)) { known[row] = 1; order[++count] = row }
        for (i = split("ops_per_s p50_ms p99_ms us_per_op bytes_per_op anon_mb", names, " "); i > 0; i--)
            samples[row, server, names[i]] = samples[row, server, names[i]] " " field(names[i])
    }
    END {
        print "Median of " rounds " rounds. us/op: user and system CPU of all members. Ratios are etcd / detcd.\n"
        print "| members | keys | workload | clients | rate | server | ops/s | p50 ms | p99 ms | us/op | B/op | anon MB | us/op ratio | p99 ratio | anon ratio |"
        print "|--:|--:|---|--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
        for (r = 1; r <= count; r++) for (s = split("detcd etcd echo", servers, " "); s > 0; s--) {
            k = order[r] SUBSEP servers[4 - s]
            if (!((k SUBSEP "ops_per_s") in samples)) continue
            line = "| " order[r] " | " servers[4 - s]
            for (i = 1; i <= 6; i++) line = line " | " show(median(k SUBSEP names[i]))
            if (servers[4 - s] == "detcd") {
                e = order[r] SUBSEP "etcd"
                line = line " | " ratio(median(e SUBSEP "us_per_op"), median(k SUBSEP "us_per_op")) \
                    " | " ratio(median(e SUBSEP "p99_ms"), median(k SUBSEP "p99_ms")) \
                    " | " ratio(median(e SUBSEP "anon_mb"), median(k SUBSEP "anon_mb"))
            } else line = line " | | | "
            print line " |"
        }
    }' "$results"
}

servers="etcd echo"
[ -z "$detcd" ] || servers="detcd etcd echo"
for ((r = 1; r <= rounds; r++)); do
    for count in $members; do
        for server in $servers; do
            [ "$server" = echo ] && [ "$count" != 1 ] && continue
            round "$server" "$count"
        done
    done
    if [ "$large" -gt 0 ] && [ "$r" -le 3 ]; then
        for server in $servers; do [ "$server" = echo ] || large_round "$server"; done
    fi
done
for ((r = 1; r <= ${RATE_ROUNDS:-5}; r++)); do
    for count in $members; do
        for server in $servers; do [ "$server" = echo ] || fixed_rate_round "$server" "$count"; done
    done
done
table
