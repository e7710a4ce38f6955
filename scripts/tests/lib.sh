# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# How the tests of the scripts judge. Sourced after lib.sh, with the scratch
# directory $tmp; the cache that a test may fill is $cache.

passed=0
failed=0

ok() {
	passed=$((passed + 1))
	echo "ok $1"
}

bad() {
	failed=$((failed + 1))
	echo "failed: $1"
	sed 's/^/  | /' "$tmp/err" 2>/dev/null | tail -n 5
}

# refuses NAME REGEX COMMAND...: fails with exactly one error line, which
# matches. make's own line about the failing target is not ours.
refuses() {
	local name=$1 regex=$2 status=0

	shift 2
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
	if [ "$status" -ne 0 ] && [ "$(grep -c '^error: ' "$tmp/err")" -eq 1 ] &&
	   [ "$(grep -v -c -e '^make' -e '^  [a-z]' "$tmp/err")" -eq 1 ] &&
	   grep -q -E "^error: .*$regex" "$tmp/err"; then
		ok "$name"
	else
		bad "$name (status $status)"
	fi
}

is() {
	local name=$1

	shift
	if "$@"; then ok "$name"; else bad "$name"; fi
}

# interrupt SECONDS COMMAND...: as Ctrl-C does, to the whole group.
interrupt() {
	local seconds=$1 group status=0

	shift
	# Without setsid's new group the signal would also reach this script; and
	# bash lets what it starts in the background ignore SIGINT, env undoes it.
	setsid env --default-signal=INT "$@" >"$tmp/out" 2>"$tmp/err" </dev/null &
	group=$!
	sleep "$seconds"
	kill -s INT -- "-$group" 2>/dev/null || return 1
	wait "$group" || status=$?
	[ "$status" -eq 130 ]
}
# Whoever mentions the scratch cache is a leftover of an interrupted command.
no_process_left() {
	local i

	for ((i = 0; i < 50; i++)); do
		grep -l -a -s -F "$cache" /proc/[0-9]*/cmdline | grep -v -e "^/proc/$$/" -e "^/proc/$BASHPID/" -e /proc/self/ >"$tmp/left" || return 0
		# grep itself and this shell's forks are gone by the time we look.
		xargs -r cat <"$tmp/left" 2>/dev/null | tr '\0' ' ' | grep -a -F -v -e 'grep ' | grep -a -q -F "$cache" || return 0
		sleep 0.1
	done
	return 1
}

# The last lines of such a test.
totals() {
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] || exit 3
}
