#!/usr/bin/env bash
# Runs the command line that operators of etcd already have against a cluster, and compares every answer.
#
#   run.sh ETCDCTL VERSION ENDPOINTS
#
# ETCDCTL is a binary of etcdctl, VERSION is 3.4 or 3.7 (the older one wants ETCDCTL_API=3 and prints some things
# another way), ENDPOINTS is what --endpoints takes. One line is printed per check, and `N passed, N failed` at the
# end; the exit code is 1 if any check failed. Keys live under a prefix of this run, so a cluster may be used twice
# (compaction is the one thing that reaches further). Nothing waits without a bound.
set -u

[ $# -eq 3 ] || { echo "usage: $0 ETCDCTL 3.4|3.7 ENDPOINTS" >&2; exit 2; }
etcdctl=$1 version=$2 endpoints=$3
# 3.7 gives two seconds to think before it deletes a range, unless told that a range is meant. 3.4 asks for a member's
# status with the whole endpoint as :authority, where a URL's scheme does not belong and is refused by the transport
# (docs/compatibility.md).
case $version in
    3.4) export ETCDCTL_API=3; range_flag=(); endpoints=${endpoints//http:\/\//} endpoints=${endpoints//https:\/\//} ;;
    3.7) unset ETCDCTL_API; range_flag=(--range) ;;
    *) echo "unknown version $version" >&2; exit 2 ;;
esac
[ -x "$(command -v "$etcdctl")" ] || { echo "$etcdctl cannot be run" >&2; exit 2; }

passed=0 failed=0
scratch=$(mktemp -d)
started=()
finish() {
    local pid
    for pid in "${started[@]:-}"; do [ -n "$pid" ] && kill "$pid" 2>/dev/null; done
    rm -rf "$scratch"
}
trap finish EXIT

root="etcdctl/$version/$$-$(date +%s%N)/"

# One bounded command; stderr belongs to the answer, because that is where etcdctl prints the server's errors.
ctl() { timeout 20 "$etcdctl" --endpoints="$endpoints" "$@" 2>&1; }
# Like ctl, in the background and for long: the output goes to a file, the process id to $pid.
ctl_background() {
    local out=$1; shift
    : >"$out"
    timeout 60 "$etcdctl" --endpoints="$endpoints" "$@" >"$out" 2>&1 &
    pid=$!
    started+=("$pid")
}

ok() { passed=$((passed + 1)); echo "ok - $1"; }
not_ok() { failed=$((failed + 1)); echo "not ok - $1"; printf '#   expected: %s\n#   answered: %s\n' "${2@Q}" "${3@Q}"; }
is() { if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "$2" "$3"; fi; }
like() { if [[ $3 =~ $2 ]]; then ok "$1"; else not_ok "$1" "~ $2" "$3"; fi; }
lines() { printf '%s\n' "$@"; }
# Waits up to ten seconds until the command in $2... prints $1.
await() {
    local expected=$1 tries; shift
    for ((tries = 0; tries < 100; tries++)); do
        [ "$("$@")" = "$expected" ] && return
        sleep 0.1
    done
}
number() { grep -o "\"$1\":[0-9]*" | head -1 | cut -d: -f2; }
revision() { ctl get "${root}none" -w json | number revision; }

# The first thing that anybody does with new members, before there is a key: etcdctl 3.7 divides by their size.
check_new_members() {
    local table
    table=$(ctl endpoint status -w table)
    is "endpoint status -w table prints a row each" "$(tr ',' '\n' <<<"$endpoints" | wc -l)" "$(grep -c ' 3\.[0-9]*\.[0-9]* ' <<<"$table")"
}

check_put_and_get() {
    local k=${root}kv/
    is "put answers OK" OK "$(ctl put "${k}a" one)"
    is "get prints key and value" "$(lines "${k}a" one)" "$(ctl get "${k}a")"
    is "get of an absent key prints nothing" "" "$(ctl get "${k}absent")"
    is "put takes the value from stdin" OK "$(printf 'two words' | ctl put "${k}b")"
    is "get --print-value-only prints the value" "two words" "$(ctl get "${k}b" --print-value-only)"
    is "put --prev-kv prints what was there" "$(lines OK "${k}a" one)" "$(ctl put "${k}a" uno --prev-kv)"
    is "put of an empty value keeps the key" "$(lines "${k}c" "")" "$(ctl put "${k}c" "" >/dev/null; ctl get "${k}c"; echo)"
    like "put of an empty key is refused" "etcdserver: key is not provided" "$(ctl put "" v)"
    like "put with an unknown lease is refused" "etcdserver: requested lease not found" "$(ctl put "${k}a" v --lease=7fffffff12345678)"
    is "a refused put changes nothing" uno "$(ctl get "${k}a" --print-value-only)"
    is "put --ignore-value keeps the value" "$(lines OK uno)" "$(ctl put "${k}a" --ignore-value; ctl get "${k}a" --print-value-only)"
    like "put --ignore-value of an absent key is refused" "etcdserver: key not found" "$(ctl put "${k}absent" --ignore-value)"
    like "get -w json tells revisions and version" '"create_revision":[0-9]+,"mod_revision":[0-9]+,"version":3' "$(ctl get "${k}a" -w json)"
    like "get -w fields tells the header" '"Revision" : [0-9]+' "$(ctl get "${k}a" -w fields)"
}

check_ranges() {
    local k=${root}range/ key value
    while read -r key value; do ctl put "$k$key" "$value" >/dev/null; done <<<'a 3
b 1
c 2
d 4'
    is "get --prefix is in key order" "$(lines "${k}a" 3 "${k}b" 1 "${k}c" 2 "${k}d" 4)" "$(ctl get "$k" --prefix)"
    is "get of a range leaves its end out" "$(lines "${k}b" 1 "${k}c" 2)" "$(ctl get "${k}b" "${k}d")"
    is "get of an empty range prints nothing" "" "$(ctl get "${k}d" "${k}a")"
    is "get --limit cuts" "$(lines "${k}a" 3 "${k}b" 1)" "$(ctl get "$k" --prefix --limit=2)"
    like "get --limit says there is more, and counts all" '"more":true,"count":4' "$(ctl get "$k" --prefix --limit=2 -w json)"
    is "get --order=DESCEND turns the order" "$(lines 4 2 1 3)" "$(ctl get "$k" --prefix --order=DESCEND --print-value-only)"
    is "get --sort-by=VALUE sorts by value" "$(lines 1 2 3 4)" "$(ctl get "$k" --prefix --sort-by=VALUE --order=ASCEND --print-value-only)"
    is "get --sort-by=MODIFY --limit takes the newest" "$(lines 4 2)" "$(ctl get "$k" --prefix --sort-by=MODIFY --order=DESCEND --limit=2 --print-value-only)"
    is "get --sort-by=CREATE sorts by creation" "$(lines 3 1 2 4)" "$(ctl get "$k" --prefix --sort-by=CREATE --order=ASCEND --print-value-only)"
    is "get --sort-by=VERSION sorts by version" "$(lines 4)" "$(ctl put "${k}d" 4 >/dev/null; ctl get "$k" --prefix --sort-by=VERSION --order=DESCEND --limit=1 --print-value-only)"
    is "get --keys-only prints no values" "$(lines "${k}a" "" "${k}b" "")" "$(ctl get "$k" --prefix --keys-only --limit=2; echo)"
    # 3.4's etcdctl has no such flag.
    [ "$version" = 3.4 ] || like "get --count-only counts" '"Count" : 4' "$(ctl get "$k" --prefix --count-only -w fields)"
    is "get --from-key starts at the key" "$(lines "${k}c" 2 "${k}d" 4)" "$(ctl get "${k}c" --from-key --limit=2)"
    is "get --consistency=s answers" 3 "$(ctl get "${k}a" --consistency=s --print-value-only)"
}

check_revisions() {
    local k=${root}rev/k first
    first=$(ctl put "$k" one -w json | number revision)
    ctl put "$k" two >/dev/null
    is "get --rev reads the past" one "$(ctl get "$k" --rev="$first" --print-value-only)"
    is "get without --rev reads the present" two "$(ctl get "$k" --print-value-only)"
    is "get --rev before the key existed prints nothing" "" "$(ctl get "$k" --rev="$((first - 1))")"
    like "get --rev of the future is refused" "etcdserver: mvcc: required revision is a future revision" "$(ctl get "$k" --rev="$((first + 100000))")"
}

check_deletes() {
    local k=${root}del/ i
    for i in 1 2 3 4 5; do ctl put "$k$i" "v$i" >/dev/null; done
    is "del prints how many" 1 "$(ctl del "${k}1")"
    is "del of an absent key prints 0" 0 "$(ctl del "${k}1")"
    is "del --prev-kv prints what was there" "$(lines 1 "${k}2" v2)" "$(ctl del "${k}2" --prev-kv)"
    is "del of a range leaves its end out" 1 "$(ctl del "${k}3" "${k}4" "${range_flag[@]}")"
    is "del --prefix deletes the rest" 2 "$(ctl del "$k" --prefix)"
    is "nothing is left" "" "$(ctl get "$k" --prefix)"
}

check_txn() {
    local k=${root}txn/
    ctl put "${k}a" 1 >/dev/null
    is "txn whose compares hold takes the first list" "$(lines SUCCESS "" OK "" "${k}b" new)" \
        "$(printf 'value("%s") = "1"\n\nput %s new\nget %s\n\nput %s old\n\n' "${k}a" "${k}b" "${k}b" "${k}b" | ctl txn)"
    is "txn whose compares fail takes the second list" "$(lines FAILURE "" "${k}a" 1)" \
        "$(printf 'value("%s") = "2"\n\nput %s no\n\nget %s\n\n' "${k}a" "${k}a" "${k}a" | ctl txn)"
    is "txn compares version, create, mod and order" "$(lines SUCCESS "" 1)" \
        "$(printf 'version("%s") > "0"\ncreate("%s") != "0"\nmod("%s") > "0"\nvalue("%s") < "2"\n\ndel %s\n\n\n' "${k}a" "${k}a" "${k}a" "${k}a" "${k}b" | ctl txn)"
    is "txn creates a key only once" "$(lines FAILURE "" "${k}a" 1)" \
        "$(printf 'create("%s") = "0"\n\nput %s stolen\n\nget %s\n\n' "${k}a" "${k}a" "${k}a" | ctl txn)"
    like "txn with one key put twice is refused" "etcdserver: duplicate key given in txn request" \
        "$(printf '\nput %s x\nput %s y\n\n\n' "${k}c" "${k}c" | ctl txn)"
    is "a refused txn changes nothing" "" "$(ctl get "${k}c")"
}

check_watch() {
    local k=${root}watch/ first expected
    first=$(ctl put "${k}a" 1 -w json | number revision)
    ctl_background "$scratch/history" watch "$k" --prefix --rev="$first"
    ctl_background "$scratch/before" watch "${k}a" --prev-kv --rev="$((first + 1))"
    ctl_background "$scratch/command" watch "${k}b" --rev="$first" -- sh -c 'echo "saw $ETCD_WATCH_KEY $ETCD_WATCH_VALUE"'
    ctl put "${k}a" 2 >/dev/null
    ctl put "${k}b" 3 >/dev/null
    ctl del "${k}a" >/dev/null
    expected=$(lines PUT "${k}a" 1 PUT "${k}a" 2 PUT "${k}b" 3 DELETE "${k}a" "")
    await "$expected" cat "$scratch/history"
    is "watch --prefix --rev shows the past, then the present, in order" "$expected" "$(cat "$scratch/history")"
    expected=$(lines PUT "${k}a" 1 "${k}a" 2 DELETE "${k}a" 2 "${k}a" "")
    await "$expected" cat "$scratch/before"
    is "watch --prev-kv shows what was there" "$expected" "$(cat "$scratch/before")"
    await '"3"' sh -c "grep -o '\"3\"' '$scratch/command'"
    like "watch runs a command for an event" "saw \"${k}b\" \"3\"" "$(cat "$scratch/command")"
}

check_leases() {
    local k=${root}lease/ granted lease expiring
    granted=$(ctl lease grant 600)
    like "lease grant tells id and time" '^lease [0-9a-f]{16} granted with TTL\(600s\)$' "$granted"
    lease=$(awk '{print $2}' <<<"$granted")
    is "put --lease attaches a key" OK "$(ctl put "${k}a" v --lease="$lease")"
    like "lease timetolive --keys lists it" "^lease $lease granted with TTL\(600s\), remaining\((600|59[0-9])s\), attached keys\(\[${k}a\]\)$" "$(ctl lease timetolive "$lease" --keys)"
    is "lease keep-alive --once renews" "lease $lease keepalived with TTL(600)" "$(ctl lease keep-alive --once "$lease")"
    like "lease list has it" "$lease" "$(ctl lease list)"
    is "put --ignore-lease keeps it attached" "$(lines OK 1)" "$(ctl put "${k}a" w --ignore-lease; ctl lease timetolive "$lease" --keys | grep -c "\[${k}a\]")"
    is "lease revoke says so" "lease $lease revoked" "$(ctl lease revoke "$lease")"
    is "lease revoke deletes its keys" "" "$(ctl get "$k" --prefix)"
    is "lease timetolive of a gone lease says so" "lease $lease already expired" "$(ctl lease timetolive "$lease")"
    like "lease revoke of a gone lease is refused" "etcdserver: requested lease not found" "$(ctl lease revoke "$lease")"
    like "lease keep-alive of a gone lease says so" "expired or revoked|requested lease not found" "$(ctl lease keep-alive --once "$lease")"
    expiring=$(ctl lease grant 2 | awk '{print $2}')
    ctl put "${k}b" v --lease="$expiring" >/dev/null
    is "a key with a lease is there" v "$(ctl get "${k}b" --print-value-only)"
    await "" ctl get "${k}b"
    is "a lease nobody renews ends, and its keys with it" "" "$(ctl get "${k}b")"
}

check_compaction() {
    local k=${root}compact/k old now
    old=$(ctl put "$k" 1 -w json | number revision)
    ctl put "$k" 2 >/dev/null
    now=$(revision)
    is "compaction says up to where" "compacted revision $now" "$(ctl compaction "$now")"
    like "get --rev below it is refused" "etcdserver: mvcc: required revision has been compacted" "$(ctl get "$k" --rev="$old")"
    is "get --rev at it is served" 2 "$(ctl get "$k" --rev="$now" --print-value-only)"
    like "compacting again is refused" "etcdserver: mvcc: required revision has been compacted" "$(ctl compaction "$now")"
    like "compacting the future is refused" "etcdserver: mvcc: required revision is a future revision" "$(ctl compaction "$((now + 100000))")"
    like "watch --rev below it is ended" "etcdserver: mvcc: required revision has been compacted" "$(ctl watch "$k" --rev="$old")"
    is "compaction --physical waits and answers" "compacted revision $((now + 1))" "$(ctl put "$k" 3 >/dev/null; ctl compaction "$((now + 1))" --physical)"
}

check_lock() {
    local name=${root}lock log=$scratch/lock holder
    is "lock runs a command" held "$(ctl lock "$name" -- echo held)"
    ctl_background "$scratch/lock-a" lock "$name" -- sh -c "echo in >>'$log'; sleep 1; echo out >>'$log'"
    holder=$pid
    ctl_background "$scratch/lock-b" lock "$name" -- sh -c "echo in >>'$log'; echo out >>'$log'"
    wait "$holder" "$pid"
    is "lock lets one in at a time" "$(lines in out in out)" "$(cat "$log")"
    is "lock leaves nothing behind" "" "$(ctl get "$name" --prefix)"
}

check_election() {
    local name=${root}elect first
    ctl_background "$scratch/elect-a" elect "$name" alpha
    first=$pid
    await alpha tail -n 1 "$scratch/elect-a"
    like "elect makes the first one the leader" "^${name}/[0-9a-f]+"$'\n'"alpha$" "$(cat "$scratch/elect-a")"
    ctl_background "$scratch/listen" elect --listen "$name"
    ctl_background "$scratch/elect-b" elect "$name" beta
    await alpha tail -n 1 "$scratch/listen"
    like "elect --listen tells the leader" "alpha" "$(cat "$scratch/listen")"
    is "the second one waits" "" "$(cat "$scratch/elect-b")"
    kill -INT "$first"
    await beta tail -n 1 "$scratch/elect-b"
    like "when the leader goes, the second one leads" "^${name}/[0-9a-f]+"$'\n'"beta$" "$(cat "$scratch/elect-b")"
    await beta tail -n 1 "$scratch/listen"
    like "elect --listen tells the new leader" "beta" "$(tail -n 1 "$scratch/listen")"
}

check_operations() {
    local members count=0 status leaders
    members=$(ctl member list)
    while IFS= read -r member; do
        count=$((count + 1))
        like "member list: line $count" '^[0-9a-f]{8,16}, started, [^,]+, http[^ ]*, http[^ ]*, false$' "$member"
    done <<<"$members"
    like "member list -w json" '"members":\[\{"ID":[0-9]+,"name":"' "$(ctl member list -w json)"
    status=$(ctl endpoint status -w json)
    like "endpoint status tells a version clients can parse" '"version":"3\.[0-9]+\.[0-9]+"' "$status"
    like "endpoint status tells size, term and index" '"dbSize":[0-9]+,"leader":[0-9]+,"raftIndex":[0-9]+,"raftTerm":[0-9]+' "$status"
    leaders=$(grep -o '"leader":[0-9]*' <<<"$status" | sort -u | wc -l)
    is "endpoint status: all members name one leader" 1 "$leaders"
    is "endpoint status prints a line each" "$(tr ',' '\n' <<<"$endpoints" | wc -l)" "$(ctl endpoint status | wc -l)"
    like "endpoint health" 'is healthy: successfully committed proposal: took =' "$(ctl endpoint health)"
    like "endpoint health --cluster" 'is healthy: successfully committed proposal: took =' "$(ctl endpoint health --cluster)"
    is "alarm list is empty" "" "$(ctl alarm list)"
    is "alarm disarm has nothing to do" "" "$(ctl alarm disarm)"
}

# Last, and with auth off again at its end: what is checked above is asked by nobody.
check_users() {
    local k=${root}users/ denied="etcdserver: permission denied" by_root=(--user "root:hush") by_alice=(--user "alice:wonder")
    is "user add" "User root created" "$(ctl user add root:hush)"
    is "user add of another" "User alice created" "$(ctl user add alice:wonder)"
    like "user add of one that is there is refused" "etcdserver: user name already exists" "$(ctl user add alice:other)"
    is "role add" "Role reader created" "$(ctl role add reader)"
    is "role grant-permission of a prefix" "Role reader updated" "$(ctl role grant-permission reader readwrite "${k}own/" --prefix)"
    is "role grant-permission of a key" "Role reader updated" "$(ctl role grant-permission reader read "${k}shared")"
    is "user grant-role" "Role reader is granted to user alice" "$(ctl user grant-role alice reader)"
    is "role get shows what was granted" "$(lines "Role reader" "KV Read:" "	[${k}own/, ${k}own0) (prefix ${k}own/)" "	${k}shared" "KV Write:" "	[${k}own/, ${k}own0) (prefix ${k}own/)")" "$(ctl role get reader)"
    is "auth enable makes root what it needs" "Authentication Enabled" "$(ctl auth enable | tail -1)"
    # With a certificate, nobody is whom that names, and no user.
    like "nobody is refused" "etcdserver: (user name is empty|permission denied)" "$(ctl put "${k}own/a" 1)"
    like "a wrong password is refused" "etcdserver: authentication failed, invalid user ID or password" "$(ctl --user alice:wrong get "${k}own/a")"
    is "alice writes what is hers" OK "$(ctl "${by_alice[@]}" put "${k}own/a" 1)"
    is "alice reads what is hers" "$(lines "${k}own/a" 1)" "$(ctl "${by_alice[@]}" get "${k}own/" --prefix)"
    is "root writes everything" OK "$(ctl "${by_root[@]}" put "${k}shared" 2)"
    is "alice reads what is shared" "$(lines "${k}shared" 2)" "$(ctl "${by_alice[@]}" get "${k}shared")"
    like "alice does not write what is shared" "$denied" "$(ctl "${by_alice[@]}" put "${k}shared" 3)"
    like "alice does not read beyond" "$denied" "$(ctl "${by_alice[@]}" get "$k" --prefix)"
    like "alice does not administer" "$denied" "$(ctl "${by_alice[@]}" user list)"
    is "alice sees her roles" "$(lines "User: alice" "Roles: reader")" "$(ctl "${by_alice[@]}" user get alice)"
    is "user list" "$(lines alice root)" "$(ctl "${by_root[@]}" user list)"
    is "role list" "$(lines reader root)" "$(ctl "${by_root[@]}" role list)"
    # 3.4's etcdctl has no such command.
    [ "$version" = 3.4 ] || like "auth status" "Authentication Status: true" "$(ctl "${by_root[@]}" auth status)"
    is "role revoke-permission" "Permission of key ${k}shared is revoked from role reader" "$(ctl "${by_root[@]}" role revoke-permission reader "${k}shared")"
    like "what was revoked is refused" "$denied" "$(ctl "${by_alice[@]}" get "${k}shared")"
    is "user passwd" "Password updated" "$(printf 'land\nland\n' | ctl "${by_root[@]}" user passwd alice --interactive=false | tail -1)"
    is "user revoke-role" "Role reader is revoked from user alice" "$(ctl "${by_root[@]}" user revoke-role alice reader)"
    is "user delete" "User alice deleted" "$(ctl "${by_root[@]}" user delete alice)"
    is "role delete" "Role reader deleted" "$(ctl "${by_root[@]}" role delete reader)"
    like "root cannot delete itself" "etcdserver: invalid auth management" "$(ctl "${by_root[@]}" user delete root)"
    is "auth disable" "Authentication Disabled" "$(ctl "${by_root[@]}" auth disable)"
    is "nobody is served again" 1 "$(ctl del "${k}shared")"
    is "root goes" "$(lines "User root deleted" "Role root deleted")" "$(ctl user delete root; ctl role delete root)"
}

check_new_members
check_put_and_get
check_ranges
check_revisions
check_deletes
check_txn
check_watch
check_leases
check_compaction
check_lock
check_election
check_operations
check_users

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
