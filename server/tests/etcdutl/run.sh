#!/usr/bin/env bash
# Moves a history from a real etcd to detcd, on from there, and back to etcd, through snapshot files that etcd's own tools
# read, and compares all there is to compare on the way: hashes of revisions, keys, leases, users and compaction.
#
#   run.sh BINARIES DETCD [PORT]
#
# BINARIES is a directory with etcdctl, etcdutl and peer (see ../go), DETCD the server. Ports from PORT (14590) on are
# used, two a server. One line is printed per check, and `N passed, N failed` at the end; the exit code is 1 if any check
# failed. Nothing waits without a bound.
set -u

[ $# -ge 2 ] || { echo "usage: $0 BINARIES DETCD [PORT]" >&2; exit 2; }
binaries=$1 detcd=$2 port=${3:-14590}
for needed in "$binaries"/{etcdctl,etcdutl,peer} "$detcd"; do
    [ -x "$needed" ] || { echo "$needed cannot be run" >&2; exit 2; }
done

passed=0 failed=0
scratch=$(mktemp -d)
server=
finish() {
    stop
    rm -rf "$scratch"
}
trap finish EXIT
endpoint=http://127.0.0.1:$port peer_url=http://127.0.0.1:$((port + 1))
founding=(--name m0 --initial-cluster "m0=$peer_url" --initial-advertise-peer-urls "$peer_url")

ctl() { timeout 60 "$binaries/etcdctl" --endpoints="$endpoint" "$@" 2>&1; }
utl() { timeout 60 "$binaries/etcdutl" "$@" 2>/dev/null; }

# is CLAIM EXPECTED FOUND
is() {
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1)) && echo "ok     $1"
    else
        failed=$((failed + 1)) && echo "FAILED $1"
        diff <(echo "$2") <(echo "$3") | cut -c 1-400 | head -n 20
    fi
}
# like CLAIM PATTERN FOUND
like() {
    if grep -qE "$2" <<<"$3"; then
        passed=$((passed + 1)) && echo "ok     $1"
    else
        failed=$((failed + 1)) && printf 'FAILED %s\n  wanted: %s\n  found:  %s\n' "$1" "$2" "$3"
    fi
}

# Both are started on a directory, which may be new.
start_etcd() { start "$binaries/peer" --name m0 --data-dir "$1" --client-url "$endpoint" --peer-url "$peer_url"; }
start_detcd() {
    start "$detcd" "${founding[@]}" --data-dir "$1" --listen-client-urls "$endpoint" \
        --advertise-client-urls "$endpoint" --listen-peer-urls "$peer_url"
}
start() {
    local tries
    "$@" >"$scratch/log" 2>&1 &
    server=$!
    for ((tries = 0; tries < 300; tries++)); do
        ctl --command-timeout=1s endpoint health >/dev/null && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "$1 does not serve:"
    tail -n 20 "$scratch/log"
    exit 1
}
stop() {
    [ -n "$server" ] || return 0
    kill "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=
}

revision() { ctl get absent -w json | sed 's/.*"revision":\([0-9]*\).*/\1/'; }
# The hash of each of so many revisions up to the newest: of each one line.
hashes() {
    local newest at
    newest=$1
    for ((at = newest - $2 + 1; at <= newest; at++)); do ctl endpoint hashkv --rev "$at"; done
}
# All that clients see of the present and of one older revision, and every lease.
everything() {
    ctl get "" --from-key -w json | sed 's/"header":{[^}]*},*//'
    ctl get "" --from-key --rev "$1" -w json | sed 's/"header":{[^}]*},*//'
    ctl lease list | sort
    # etcd tells the keys in no order.
    for lease in 123 7fffffffffffffff; do
        ctl lease timetolive "$lease" --keys | sed 's/remaining([0-9]*s)//' | tr ' []' '\n' | sort
    done
    ctl user list
    ctl user get alice
    ctl role get reader
}

# write FROM TO: puts, overwritten keys, transactions, deletes, and keys on leases.
write() {
    local n
    for ((n = $1; n <= $2; n++)); do
        ctl put "key/$((n % 17))" "value $n" >/dev/null
        case $((n % 10)) in
            3) ctl del "key/$((n % 7))" >/dev/null ;;
            5) ctl put "leased/$n" "$n" --lease=123 >/dev/null ;;
            7) printf '\n%s\n\n\n' "put txn/a $n
put txn/b $n" | ctl txn >/dev/null ;;
        esac
    done
}

# grant ID TTL: etcdctl has no flag for the id, the gateway has.
grant() { curl -sS --max-time 10 "$endpoint/v3/lease/grant" -d "{\"ID\":\"$1\",\"TTL\":\"$2\"}" >/dev/null; }

# Users and roles, for when they are to be asked for.
people() {
    local user
    ctl role add reader
    ctl role grant-permission reader read key/ key0
    ctl role grant-permission reader readwrite txn/a
    for user in alice:secret root:toor; do ctl user add "$user"; done
    ctl user add robot --no-password
    ctl user grant-role alice reader
    ctl user grant-role root root
} >/dev/null

# save FILE: with what etcdutl says of it.
save() {
    local status
    like "$1: etcdctl saves it" "Snapshot saved at" "$(ctl snapshot save "$scratch/$1.db")"
    is "$1: the size rule of a file with its checksum" 32 $(($(stat -c %s "$scratch/$1.db") % 512))
    status=$(utl snapshot status "$scratch/$1.db" -w json)
    like "$1: etcdutl finds every page in order, and the revision" "\"revision\":$(revision)," "$status"
    like "$1: etcdutl finds the version" '"version":"3.7.0"' "$status"
    is "$1: etcdutl counts the keys" "$(ctl get "" --from-key --count-only -w fields | sed -n 's/"Count" : //p')" \
        "$(sed 's/.*"totalKey":\([0-9]*\).*/\1/' <<<"$status")"
    # It opens a file to write in it.
    head -c -32 "$scratch/$1.db" >"$scratch/$1.copy"
    like "$1: etcdutl computes the hash that the server has" "\"hash\":$(ctl endpoint hashkv -w json | sed 's/.*"hash":\([0-9]*\).*/\1/')," \
        "$(utl hashkv "$scratch/$1.copy" -w json)"
}

# moved NAME START DIR: the server on the directory has what was told of the one before.
moved() {
    "$2" "$3"
    is "$1: revision" "$newest" "$(revision)"
    is "$1: hashes of 20 revisions" "$hashes" "$(hashes "$newest" 20)"
    is "$1: keys, history and leases" "$all" "$(everything "$((newest - 15))")"
    like "$1: what was compacted stays compacted" "required revision has been compacted" "$(ctl get a --rev "$((compacted - 1))")"
}
note() {
    newest=$(revision)
    hashes=$(hashes "$newest" 20)
    all=$(everything "$((newest - 15))")
}

restore() { "$detcd" restore "$@" "${founding[@]}" 2>&1; }

from_etcd_to_detcd() {
    start_etcd "$scratch/etcd"
    grant 291 86400
    grant 9223372036854775807 90000
    people
    write 1 80
    compacted=40
    ctl compaction "$compacted" --physical >/dev/null
    write 81 90
    note
    save etcd
    stop
    like "etcd's file is restored" "revision $newest, compacted $compacted" "$(restore "$scratch/etcd.db" --data-dir "$scratch/detcd")"
    moved "etcd to detcd" start_detcd "$scratch/detcd"
}

from_detcd_to_both() {
    write 91 140
    compacted=$((newest - 10))
    ctl compaction "$compacted" --physical >/dev/null
    write 141 150
    note
    save detcd
    stop
    like "detcd's file is restored by etcdutl" "" \
        "$(utl snapshot restore "$scratch/detcd.db" --data-dir "$scratch/etcd-again" "${founding[@]}")"
    moved "detcd to etcd" start_etcd "$scratch/etcd-again"
    is "a restored etcd is written on" "OK" "$(ctl put after restore)"
    stop
    like "detcd's file is restored by detcd" "revision $newest, compacted $compacted" \
        "$(restore "$scratch/detcd.db" --data-dir "$scratch/detcd-again")"
    moved "detcd to detcd" start_detcd "$scratch/detcd-again"
    is "a restored detcd is written on" "OK" "$(ctl put after restore)"
    stop
    start_detcd "$scratch/detcd-again"
    is "and starts again" "$((newest + 1))" "$(revision)"
    stop
}

moved_on() {
    restore "$scratch/detcd.db" --data-dir "$scratch/bumped" --bump-revision 1000 --mark-compacted >/dev/null
    start_detcd "$scratch/bumped"
    is "--bump-revision moves the revision on" "$((newest + 1000))" "$(revision)"
    like "--mark-compacted compacts there" "required revision has been compacted" "$(ctl get a --rev "$newest")"
    ctl put a b >/dev/null
    stop
    start_detcd "$scratch/bumped"
    is "it is written on, and starts again" "$((newest + 1001))" "$(revision)"
    stop
}

# held NAME: to what was granted, by a password of before.
held() {
    is "$1: alice reads what she may" "1" "$(ETCDCTL_USER=alice:secret ctl get key/1 -w fields | grep -c '"Key"')"
    like "$1: and nothing else" "permission denied" "$(ETCDCTL_USER=alice:secret ctl get leased/5)"
    like "$1: by her password" "invalid user ID or password" "$(ETCDCTL_USER=alice:other ctl get key/1)"
    like "$1: nobody reads" "user name is empty" "$(ETCDCTL_USER='' ctl get key/1)"
}
protected() {
    start_detcd "$scratch/detcd-again"
    like "users are asked for from here on" "Authentication Enabled" "$(ctl auth enable)"
    export ETCDCTL_USER=root:toor
    held detcd
    like "a protected state is saved by root" "Snapshot saved at" "$(ctl snapshot save "$scratch/protected.db")"
    like "and by nobody else" "permission denied" "$(ETCDCTL_USER=alice:secret ctl snapshot save "$scratch/x.db")"
    stop
    utl snapshot restore "$scratch/protected.db" --data-dir "$scratch/etcd-protected" "${founding[@]}" >/dev/null
    start_etcd "$scratch/etcd-protected"
    held "detcd to etcd, protected"
    stop
    restore "$scratch/protected.db" --data-dir "$scratch/detcd-protected" >/dev/null
    start_detcd "$scratch/detcd-protected"
    held "detcd to detcd, protected"
    stop
    unset ETCDCTL_USER
}

# refused CLAIM PATTERN FILE: and no directory is left.
refused() {
    like "$1" "$2" "$(restore "$3" --data-dir "$scratch/refused" "${@:4}")"
    is "$1: nothing is written" "" "$(ls "$scratch/refused" 2>/dev/null)"
}
damaged_files() {
    local whole=$scratch/detcd.db bad=$scratch/bad.db
    : >"$bad"
    refused "an empty file" "bad.db: 0 bytes are no snapshot" "$bad"
    refused "an empty file, unchecked" "bad.db: page 0: the file ends after 0 bytes" "$bad" --skip-hash-check
    head -c 20001 "$whole" >"$bad"
    refused "a file that was cut off" "bad.db: 20001 bytes are no snapshot" "$bad"
    refused "a file that was cut off, unchecked" "bad.db: page 4: a file of [0-9]+ pages that ends after 4" "$bad" --skip-hash-check
    cp "$whole" "$bad"
    printf '\377' | dd of="$bad" bs=1 seek=30000 conv=notrunc 2>/dev/null
    refused "a flipped byte" "bad.db: its sha256 is [0-9a-f]{64}, it says" "$bad"
    printf '\377' | dd of="$bad" bs=1 seek=28680 conv=notrunc 2>/dev/null
    refused "a damaged page, unchecked" "bad.db: page 7: a leaf or a branch expected" "$bad" --skip-hash-check
    truncate -s 10G "$bad.zeros"
    refused "10 GB of zeros" "page 0: magic number ed0cdaed expected, 00000000 found" "$bad.zeros" --skip-hash-check
    rm "$bad.zeros"
    mkdir "$scratch/full" && touch "$scratch/full/x"
    like "a directory that is not empty" "full is not empty" "$(restore "$whole" --data-dir "$scratch/full")"
    refused "no file" "No such file" "$scratch/absent.db"
}

from_etcd_to_detcd
from_detcd_to_both
moved_on
protected
damaged_files

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
