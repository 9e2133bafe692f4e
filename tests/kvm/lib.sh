# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What scenarios share: guests, and questions to them.
#
#   start a -m 256 -smp 2       to its shell
#   equal "$(ask a nproc)" 2
#   hmp a 'system_powerdown'
#   ended a 0
#
# it() runs a function under "set -e" in a shell of its own: the first command
# that fails ends it, "fail TEXT" says why.  What it starts goes on for the next.

. /etc/kvm

number=0
bad=0
LIMIT=$((240 * FACTOR))
STATS=/sys/kernel/debug/kvm
EVENT=/sys/kernel/debug/tracing/events/kvm/kvm_exit

fail()
{
    echo "$*"
    exit 1
}

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

# begin NAME [OPTION OF QEMU]...: a guest whose init does DO
begin()
{
    vm=/run/$1
    shift
    rm -rf "$vm"
    mkdir "$vm"
    for end in console monitor; do
        mkfifo "$vm/$end.in" "$vm/$end.out"
        # ends when QEMU does
        cat "$vm/$end.out" >>"$vm/$end" &
    done
    {
        qemu-system-x86_64 -M "xenpv${MACHINE:-}" \
            -accel "kvm${ACCEL:-}" -m 256 -nodefaults -display none \
            -chardev "pipe,id=console,path=$vm/console" -serial chardev:console \
            -chardev "pipe,id=monitor,path=$vm/monitor" -mon monitor \
            -kernel /guests/vmlinux -initrd /guests/initrd -append \
            "console=hvc0 quiet xenpv.modules=xen-blkfront,xen-netfront \
            xenpv.do=${DO:-shell} xenpv.then=poweroff" "$@" </dev/null \
            >"$vm/log" 2>&1
        echo $? >"$vm/status"
    } &
}

# start NAME [OPTION OF QEMU]...: it has a shell
start()
{
    begin "$@"
    ready "$1"
}

shell_or_end() { grep -q '^# ' "/run/$1/console" || [ -e "/run/$1/status" ]; }

ready()
{
    until_true "a shell in $1" shell_or_end "$1"
    lives "$1"
}

lives()
{
    [ ! -e "/run/$1/status" ] || fail "$1 has ended: $(tail -n 3 "/run/$1/log")"
}

# ask NAME COMMAND...: in its shell; prints what it prints, has its status
ask()
{
    name=$1
    shift
    console=/run/$name/console
    lives "$name"
    read -r tag _ </proc/uptime
    # The marks are put together in the guest: its echo of the line has none.
    echo "printf 'BEG%s\\n' $tag; $*; printf '\\nEND%s:%d\\n' $tag \$?" \
        >"$console.in"
    until_true "an answer of $name to: $*" grep -q "^END$tag:[0-9]" "$console"
    tr -d '\r' <"$console" | sed -n "/^BEG$tag\$/,/^END$tag:/p" >/tmp/answer
    sed '1d; $d' /tmp/answer | sed '${/^$/d}'
    status=$(sed -n "s/^END$tag://p" /tmp/answer)
    return "$status"
}

# hmp NAME COMMAND: to QEMU's monitor; what it says is in /tmp/said
hmp()
{
    monitor=/run/$1/monitor
    lives "$1"
    until_true "the monitor of $1" grep -q '(qemu)' "$monitor"
    : >"$monitor"
    echo "$2" >"$monitor.in"
    until_true "an answer of the monitor of $1" grep -q '(qemu)' "$monitor"
    tr -d '\r' <"$monitor" >/tmp/said
}

# ended NAME STATUS
ended()
{
    until_true "the end of $1" test -s "/run/$1/status"
    equal "$(cat "/run/$1/status")" "$2"
}

# pattern FILE MIB
pattern() { dd if=/dev/urandom of="$1" bs=1M count="$2" 2>/dev/null; }

sum() { md5sum | cut -d' ' -f1; }

# stat NAME: one of KVM's counters, over all guests
stat() { cat "$STATS/$1"; }

# exits COMMAND...: what the vCPUs have left the guest for meanwhile, a line
# "REASON COUNT" for each; AMD's manual numbers the reasons
exits()
{
    echo 'hist:keys=exit_reason.hex' >"$EVENT/trigger"
    "$@" >/tmp/exits.said
    sed -n 's/^{ exit_reason: *\([0-9a-f]*\) } hitcount: *\([0-9]*\)$/\1 \2/p' \
        "$EVENT/hist"
    echo '!hist:keys=exit_reason.hex' >"$EVENT/trigger"
}

# count REASON: of those on standard input
count() { awk -v "reason=$1" '$1 == reason { n = $2 } END { print n + 0 }'; }

total() { awk '{ n += $2 } END { print n + 0 }'; }

# it FUNCTION TEXT
it()
{
    number=$((number + 1))
    # set -e does nothing in a list, hence the file
    (set -e; "$1"; : >/tmp/good) >/tmp/it 2>&1
    if [ -e /tmp/good ]; then
        echo "ok $number - $2"
        sed -n 's/^note: /# /p' /tmp/it
    else
        echo "not ok $number - $2: $(grep -v '^note: ' /tmp/it | tail -n 1)"
        sed 's/^/# /' /tmp/it
        for log in /run/*/log; do
            tail -n 3 "$log" | sed 's/^/# /'
        done
        bad=1
    fi
    rm -f /tmp/good
}

finish()
{
    echo "1..$number"
    exit $bad
}
