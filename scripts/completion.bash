# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Completion of qemu-system-xenpv's options. What can be listed is asked of the
# binary itself, which knows what it was built with.

_qemu_system_xenpv()
{
    local word=$2 before=$3 words=

    case $before in
    -M | -machine)
        case $word in
        xenpv,*)
            mapfile -t COMPREPLY < <(compgen -P 'xenpv,' -W \
                'mode=emulate mode=create strict=on xenstore=' -- \
                "${word#xenpv,}")
            return
            ;;
        esac
        words=$("$1" -M help 2>/dev/null | awk 'NR > 1 { print $1 }')
        ;;
    -device)
        words=$("$1" -device help 2>/dev/null |
            sed -n 's/^name "\([^"]*\)".*/\1/p')
        ;;
    -accel | -cpu | -chardev | -display | -netdev)
        words=$("$1" "$before" help 2>/dev/null |
            awk '/^[A-Za-z0-9 ]/ { print $1 }')
        ;;
    -vga)
        words='none xenfb'
        ;;
    *)
        case $word in
        -*)
            words=$("$1" -help 2>/dev/null | awk '/^-/ { print $1 }')
            ;;
        esac
        ;;
    esac
    if [ -n "$words" ]; then
        mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
    fi
}
complete -o filenames -o nospace -F _qemu_system_xenpv qemu-system-xenpv
