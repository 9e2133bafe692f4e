# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What scenarios share.  One looks like this:
#
#   . /lib.sh
#
#   disk_is_read()
#   {
#       pattern /a 4
#       config a "disk = [ $(qdisk raw xvda /a) ]"
#       create a
#       equal "$(in_guest a md5sum /dev/xvda)" "$(md5sum </a)"
#   }
#
#   it disk_is_read 'a guest reads its disk'
#   finish
#
# it() runs a function under "set -e" in a shell of its own: the first command
# that fails ends it, "fail TEXT" says why, "skip REASON" that nothing can be
# said.  Afterwards every domain is destroyed, and what is still there of one
# (a process, a node, a mapping) is a failure, too.  With KEEP=yes that waits
# for finish(), or for a failure: starting a guest is most of what a test costs,
# so those that ask have() for one go on with that of the last.

. /etc/xenhost
export XENHOST_LIB=1

number=0
bad=0
LIMIT=$((240 * FACTOR))
LOGS=/var/log/xen
KEEP=

fail()
{
    echo "$*"
    exit 1
}

skip()
{
    echo "$*" >/tmp/skip
    exit 77
}

debian() { [ "$DM" = debian ]; }

equal()
{
    [ "$1" = "$2" ] || fail "'$1' is not '$2'"
}

# has TEXT PATTERN
has()
{
    echo "$1" | grep -Eq -- "$2" || fail "no '$2' in: $1"
}

# now VARIABLE: seconds; without a process, which costs here
now()
{
    read -r seconds _ </proc/uptime
    eval "$1=\${seconds%.*}"
}

# until_true WHAT COMMAND...
until_true()
{
    # COMMAND may come here, too
    local what=$1 this end
    shift
    now end
    end=$((end + LIMIT))
    until "$@" >/dev/null 2>&1; do
        now this
        [ "$this" -lt "$end" ] || fail "not within $LIMIT s: $what"
        sleep 0.3
    done
}

# ---- domains ----

domid() { xl domid "$1"; }

# qdisk FORMAT VDEV FILE [MORE]: for "disk = [ ... ]"
qdisk()
{
    echo "'format=$1,vdev=$2,access=rw,backendtype=qdisk${4:+,$4},target=$3',"
}

# config NAME [LINE]...: a guest of TYPE (pv, pvh, hvm) whose init does DO
config()
{
    name=$1
    shift
    kernel=/guests/vmlinux
    [ "${TYPE:-pv}" != hvm ] || kernel=/guests/vmlinuz
    {
        echo "name = '$name'"
        echo "type = '${TYPE:-pv}'"
        echo "kernel = '$kernel'"
        echo "ramdisk = '/guests/initrd'"
        echo "memory = ${MEMORY:-128}"
        echo "vcpus = ${VCPUS:-1}"
        echo "extra = 'console=hvc0 quiet xenpv.modules=xen-blkfront" \
            "xenpv.do=${DO:-shell} xenpv.then=${THEN:-poweroff} ${EXTRA:-}'"
        echo "on_crash = 'destroy'"
        for line; do
            echo "$line"
        done
    } >"/tmp/$name.cfg"
}

# create NAME [OPTION OF xl create]...; its console's log begins anew
create()
{
    name=$1
    shift
    rm -f "$LOGS/guest-$name.log"
    xl create -q "$@" "/tmp/$name.cfg" >"/tmp/$name.xl" 2>&1 || {
        cat "/tmp/$name.xl"
        return 1
    }
}

# start NAME: create it and wait for its shell
start()
{
    create "$@"
    ready "$1"
}

# have NAME: a guest with /NAME as xvda, that of the last test if it lives
have()
{
    if [ "$(cat "/tmp/have.$1" 2>/dev/null)" = "$(domid "$1" 2>/dev/null)" ] &&
       [ -e "/tmp/have.$1" ]; then
        return 0
    fi
    rm -f "/tmp/have.$1"
    pattern "/$1" 4
    config "$1" "disk = [ $(qdisk raw xvda "/$1") ]" "${2:-}"
    start "$1"
    in_guest "$1" disk wait xvda
    still "$1"
}

# still NAME: it is there under a new number, for have()
still() { domid "$1" >"/tmp/have.$1"; }

ready()
{
    until_true "a shell in $1" shell_or_end "$1"
    domid "$1" >/dev/null || fail "$1 has ended"
}

shell_or_end()
{
    grep -q '^# ' "$LOGS/guest-$1.log" || ! domid "$1"
}

# in_guest NAME COMMAND...: in its shell; prints what it prints, has its status
in_guest()
{
    name=$1
    shift
    log=$LOGS/guest-$name.log
    read -r tag _ </proc/uptime
    # The marks are put together in the guest: its echo of the line has none.
    echo "printf 'BEG%s\\n' $tag; $*; printf '\\nEND%s:%d\\n' $tag \$?" \
        >"$(console "$name")"
    prod=20
    until_true "an answer of $name to: $*" answer_of "$name"
    tr -d '\r' <"$log" | sed -n "/^BEG$tag\$/,/^END$tag:/p" >/tmp/answer
    sed '1d; $d' /tmp/answer | sed '${/^$/d}'
    status=$(sed -n "s/^END$tag://p" /tmp/answer)
    return "$status"
}

# answer_of NAME: an answer to the line tagged $tag.  Once in many boots the
# guest does not hear of what xenconsoled has put into its ring until more comes.
answer_of()
{
    ! grep -q "^END$tag:[0-9]" "$log" || return 0
    prod=$((prod - 1))
    [ "$prod" != 0 ] || echo >"$(console "$1")"
    return 1
}

# nic_up NAME INTERFACE ADDRESS: the guest's NIC is there, or comes
nic_up()
{
    in_guest "$1" "modprobe xen-netfront; \
until [ -e /sys/class/net/$2 ]; do sleep 0.1; done"
    in_guest "$1" "ip addr add $3/24 dev $2; ip link set $2 up"
}

# fetch ADDRESS: a command for the guest, the sum of what comes from port 99; nc
# would take the end of its input for the end of it all
fetch()
{
    echo "rm -f /tmp/open; mkfifo /tmp/open; sleep 1000 >/tmp/open & \
nc $1 99 </tmp/open | md5sum; kill \$!"
}

# tell NAME COMMAND...: without waiting for an answer
tell()
{
    name=$1
    shift
    echo "$*" >"$(console "$name")"
}

console() { xenstore-read "/local/domain/$(domid "$1")/console/tty"; }

console_log() { tr -d '\r' <"$LOGS/guest-$1.log"; }

gone() { ! domid "$1"; }

# ends NAME: wait for it
ends() { until_true "the end of $1" gone "$1"; }

off()
{
    tell "$1" poweroff
    ends "$1"
}

# ---- device models ----

# What serves a guest: "PID ARGUMENTS" a line
device_models()
{
    for task in /proc/[0-9]*; do
        # a shell that cannot open it says so itself
        line=$({ tr '\0' ' ' <"$task/cmdline"; } 2>/dev/null) || continue
        case $line in
        # of the pipes that this is read from
        sed\ * | grep\ *) ;;
        *' -xen-domid '*) echo "${task#/proc/} $line" ;;
        esac
    done
}

device_model()
{
    device_models | sed -n "s/^\([0-9]*\) .* -xen-domid $1 .*/\1/p"
}

# of_domain NAME: its device model's process
of_domain() { device_model "$(domid "$1")"; }

dm_log() { cat "$LOGS/qemu-dm-$1.log" 2>/dev/null; }

# monitor NAME COMMAND...: the human one
monitor()
{
    name=$1
    shift
    xl qemu-monitor-command "$name" "$*"
}

# qmp_on SOCKET COMMAND...: prints the answers
qmp_on()
{
    socket=$1
    shift
    rm -f /tmp/say /tmp/answers
    mkfifo /tmp/say
    talk "$socket" </tmp/say >/tmp/answers &
    talker=$!
    exec 3>/tmp/say
    echo '{"execute":"qmp_capabilities"}' >&3
    for command; do
        echo "$command" >&3
    done
    until_true 'QMP answers' answered $(($# + 1))
    exec 3>&-
    kill $talker 2>/dev/null || true
    cat /tmp/answers
}

answered() { [ "$(grep -cE '"(return|error)"' /tmp/answers)" -ge "$1" ]; }

# The socket that libxl leaves to others.
qmp_of() { echo "/var/run/xen/qmp-libxenstat-$(domid "$1")"; }

store() { xenstore-read "$1" 2>/dev/null; }

store_is() { [ "$(store "$1")" = "$2" ]; }

# backend NAME VDEV: the back end's directory
vdev_number()
{
    case $1 in
    xvd?) echo $((51712 + 16 * ($(printf '%d' "'${1#xvd}") - 97))) ;;
    *) echo "$1" ;;
    esac
}

qdisk_of()
{
    echo "/local/domain/0/backend/qdisk/$(domid "$1")/$(vdev_number "$2")"
}

# connected NAME VDEV
connected()
{
    until_true "$2 of $1 is connected" store_is "$(qdisk_of "$1" "$2")/state" 4
}

# ---- images ----

# pattern FILE MIB: what nobody writes by chance
pattern() { dd if=/dev/urandom of="$1" bs=256k count=$(($2 * 4)) 2>/dev/null; }

# scribble NAME VDEV AT: write 1 MiB there, AT 64 KiB blocks from the start
scribble()
{
    in_guest "$1" "dd if=/dev/urandom of=/dev/$2 bs=64k seek=$3 count=16 \
        2>/tmp/err; sync"
}

sum() { md5sum | cut -d' ' -f1; }

sum_in()
{
    answer=$(in_guest "$1" "md5sum <$2") || fail "$answer"
    echo "${answer%% *}"
}

# raw_of FILE: what a guest would see of a qcow2 image, as a sum
raw_of()
{
    rm -f /tmp/raw
    qemu-img convert -O raw "$1" /tmp/raw
    sum </tmp/raw
}

# ---- what is left of domains ----

# left: prints what is there of any domain but dom0
left()
{
    xl list | awk 'NR > 1 && $1 != "Domain-0" { print "domain:", $0 }'
    device_models | grep -v -- '-xen-domid 0 ' | sed 's/^/process: /'
    for folder in backend device-model libxl; do
        xenstore-ls -f "/local/domain/0/$folder" 2>/dev/null
    done | grep -E '/[1-9][0-9]*/' | sed 's/^/node: /'
    xenstore-ls -f /libxl 2>/dev/null | grep -E '^/libxl/[1-9][0-9]*/' |
        sed 's/^/node: /'
    xenstore-list /local/domain | grep -v '^0$' |
        sed 's/^/domain in the store: /'
}

nothing_left() { [ -z "$(left)" ]; }

clean()
{
    for id in $(xl list | awk 'NR > 1 && $2 != 0 { print $2 }'); do
        xl destroy "$id" >/dev/null 2>&1
    done
    now end
    end=$((end + 15 * FACTOR))
    while :; do
        rest=$(left)
        now this
        [ -n "$rest" ] && [ "$this" -lt "$end" ] || break
        sleep 0.3
    done
    [ -n "$rest" ] || return 0
    echo "$rest"
    # so that the next one does not suffer for it
    for id in $(xenstore-list /local/domain/0/device-model 2>/dev/null); do
        [ "$id" = 0 ] || xenstore-rm "/local/domain/0/device-model/$id"
    done
    device_models | grep -v -- '-xen-domid 0 ' | while read -r pid _; do
        kill -9 "$pid"
    done
    for type in $(xenstore-list /local/domain/0/backend 2>/dev/null); do
        xenstore-rm "/local/domain/0/backend/$type"
    done
}

# ---- results ----

it()
{
    rm -f /tmp/skip
    [ -n "$KEEP" ] || rm -f "$LOGS"/*.log /tmp/device-model.args
    now started
    ( set -e; "$1" ) >/tmp/case.out 2>&1
    status=$?
    now ended
    models=$(cat "$LOGS"/qemu-dm-*.log 2>/dev/null)
    rest=
    if [ "$KEEP:$status" != yes:0 ]; then
        rest=$(clean)
        rm -f /tmp/have.*
    fi
    number=$((number + 1))
    if [ -e /tmp/skip ]; then
        echo "ok $number - $2 # SKIP $(cat /tmp/skip)"
    elif [ "$status" = 0 ] && [ -z "$rest" ]; then
        echo "ok $number - $2"
    else
        bad=$((bad + 1))
        sed 's/^/| /' /tmp/case.out | tail -n 30
        [ -z "$rest" ] || echo "$rest" | sed 's/^/| left: /' | head -n 12
        [ -z "$models" ] || echo "$models" | sed 's/^/| qemu: /' | tail -n 12
        for log in "$LOGS"/guest-*.log; do
            # its last line may have no end
            [ ! -e "$log" ] || { tail -c 800 "$log"; echo; } | tr -d '\r' |
                sed "s,^,| ${log##*/}: ,"
        done
        why=$(tail -n 1 /tmp/case.out)
        [ "$status" != 0 ] || why='something is left'
        echo "not ok $number - $2 # ${why:-status $status}"
    fi
    now this
    echo "# $((ended - started)) s, and $((this - ended)) s to be gone"
}

finish()
{
    if [ -n "$KEEP" ]; then
        KEEP=
        it true 'nothing is left of it all'
    fi
    echo "1..$number"
    [ "$bad" = 0 ]
    exit
}

[ "${1:-}" != clean ] || clean
