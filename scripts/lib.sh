# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What every front-door script shares: where things live, how messages look,
# how long steps show progress, and how an interrupted run leaves nothing
# behind. Sourced, never run. It does no work of its own.
#
# Conventions: stdout carries results (a path, test lines), stderr carries
# progress. Every failure the user can cause is one line "error: ...". Exit
# status 3 means that it has been said; anything else that is not a signal gets
# its line when the script ends, so that no failing write goes unexplained.
#
# Cache layout, all outside the checkout:
#   downloads/             apt's scratch state and the package     (survives clean)
#   linux-7.2/             the unpacked source                     (survives clean)
#   builds/<checkout>/<source>/
#     tree/                symlinks to the source plus our files
#     tree/.uml .x86 ...   build directories; inside the tree, so that every
#                          path kbuild records is relative and they can move
#     logs/  run/          logs; programs, initramfs and output of boots

set -eu -o pipefail
export LC_ALL=C

# The version that the library is written against: the oldest that we accept.
readonly want_major=7 want_minor=2
readonly source_package=linux-source-$want_major.$want_minor

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# ---- messages ---------------------------------------------------------------

say() { printf '%s\n' "$*" >&2; }

# A half-drawn progress line must not swallow the message.
die() {
	clear_line
	printf 'error: %s\n' "$*" >&2
	exit 3
}

clear_line() { if [ -t 2 ]; then printf '\r\033[K' >&2; fi; }

# ---- a clean environment ----------------------------------------------------

# The kernel's makefiles read dozens of variables from the environment. Those of
# an outer make (its job server and command-line variables) or of a user who
# cross-compiles would silently change what is built here.
clean_environment() {
	local v

	unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS MAKEFILES
	unset ARCH SUBARCH SRCARCH CROSS_COMPILE LLVM LLVM_IAS CC HOSTCC LD AR AS
	unset O M MO V W C CF CHECK KCFLAGS KCPPFLAGS KAFLAGS CFLAGS LDFLAGS
	unset KVM CPPFLAGS HOSTCFLAGS HOSTLDFLAGS LOCALVERSION VPATH srctree objtree
	unset INSTALL_PATH INSTALL_MOD_PATH INSTALL_HDR_PATH CDPATH GREP_OPTIONS
	for v in $(compgen -v | grep -E '^(KBUILD|KCONFIG|CONFIG)_' || :); do
		unset "$v"
	done
}

jobs() { echo "${J:-$(nproc)}"; }

# ---- the cache --------------------------------------------------------------

short_hash() { printf %s "$1" | sha1sum | cut -c1-10; }

cache_dir() {
	local dir=${GMEM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/gmem_convert}

	case $dir in
	/*) ;;
	*) dir=$root/$dir ;;
	esac
	# make cannot express such names, so the kernel's build would fail later
	# and without saying why.
	case $dir in
	*[[:space:]:]*) die "the cache directory '$dir' has a space or a colon in its name, which kernel builds do not allow; set GMEM_CACHE=" ;;
	esac
	mkdir -p "$dir" 2>/dev/null || die "cannot create the cache directory $dir; set GMEM_CACHE= to a directory that you can write"
	[ -w "$dir" ] || die "cannot write the cache directory $dir; set GMEM_CACHE= to a directory that you can write"
	(cd "$dir" && pwd -P)
}

# All builds of this checkout; keyed by its path, so that two do not fight.
builds_dir() { echo "$(cache_dir)/builds/$(basename "$root" | tr -c 'A-Za-z0-9._\n-' _)-$(short_hash "$root")"; }

# The builds of this checkout from one kernel source.
work_dir() { echo "$(builds_dir)/$(short_hash "$1")"; }

free_mb() { df -Pm "$1" | awk 'NR == 2 { print $4 }'; }

# need_space DIR MEGABYTES WHAT
need_space() {
	local have

	have=$(free_mb "$1")
	[ "$have" -ge "$2" ] || die "disk full: $3 needs $2 MB in $1, which has $have MB free; free some, or set GMEM_CACHE= to another disk"
}

# Writing is the only way to know; quotas and reserved blocks count too.
disk_is_full() {
	local probe=$1/.gmem-probe status=0

	[ -n "$1" ] && [ -w "$1" ] || return 1
	head -c 262144 /dev/zero 2>/dev/null >"$probe" || status=$?
	rm -f "$probe"
	[ "$status" -ne 0 ]
}

# One user at a time in a directory. The file descriptor is inherited by what
# the holder starts, so a build that outlives a killed script still excludes.
take_lock() {
	local dir=$1

	[ "${GMEM_LOCK_HELD:-}" != "$dir" ] || return 0
	mkdir -p "$dir"
	exec 9>"$dir/.lock"
	if ! flock -n 9; then
		say "waiting for another run that uses $dir ..."
		flock 9
	fi
	export GMEM_LOCK_HELD=$dir
}

# ---- long steps -------------------------------------------------------------

job=		# process group of the step that is running
scratch=()	# removed when the script ends, however it ends
undo=		# command to run first when it does not end well

# A job that has only just been forked may not lead its group yet.
signal_job() { kill "$1" -- "-$2" 2>/dev/null || kill "$1" "$2" 2>/dev/null; }

stop_job() {
	local i pid=$job

	[ -n "$pid" ] || return 0
	job=
	signal_job -TERM "$pid" || return 0
	for ((i = 0; i < 30; i++)); do
		sleep 0.1
		signal_job -0 "$pid" || return 0
	done
	signal_job -KILL "$pid" || :
}

# Some command failed where no script expected it to; mostly a full disk.
explain() {
	local dir

	clear_line
	for dir in "${GMEM_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}}" "${KDIR:-}" "${TMPDIR:-/tmp}"; do
		if disk_is_full "$dir"; then
			printf 'error: disk full: nothing more can be written to %s; free some space, or set GMEM_CACHE= to another disk\n' "$dir" >&2
			# By itself, in a trap: what it was before the trap.
			return 0
		fi
	done
	printf 'error: scripts/%s stopped unexpectedly (status %d), see the lines above\n' "$(basename "$0")" "$1" >&2
}

leave() {
	local status=$?

	trap - EXIT
	trap '' INT TERM HUP
	stop_job
	# First why, while it still is so: undoing makes room.
	case $status in
	0 | 3 | 129 | 130 | 143) ;;
	*)
		explain "$status"
		status=3
		;;
	esac
	if [ "$status" -ne 0 ] && [ -n "$undo" ]; then
		"$undo" || :
	fi
	[ ${#scratch[@]} -eq 0 ] || rm -rf -- "${scratch[@]}"
	exit "$status"
}
trap leave EXIT
trap 'clear_line; exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# run_logged LABEL LOG STEPS COMMAND...
#
# Runs the command with its output in LOG and shows how far it is: lines of
# output of about STEPS expected (0: unknown). A terminal gets one line that
# is redrawn, anything else a line every 15 seconds. Returns the command's
# status. It gets a process group of its own, so that stop_job reaches all of it.
run_logged() {
	local label=$1 log=$2 steps=$3 start=$SECONDS shown=$SECONDS pause=0.1 text status=0

	shift 3
	mkdir -p "$(dirname "$log")"
	: >"$log"
	setsid "$@" >>"$log" 2>&1 </dev/null &
	job=$!
	while kill -0 "$job" 2>/dev/null; do
		sleep "$pause"
		((SECONDS - start < 2)) || pause=0.5
		if [ -t 2 ] || ((SECONDS - shown >= 15)); then
			shown=$SECONDS
			text=$(progress_text "$log" "$steps")
			if [ -t 2 ]; then
				printf '\r  %s: %s%ds\033[K' "$label" "$text" $((SECONDS - start)) >&2
			else
				say "  $label: $text$((SECONDS - start))s"
			fi
		fi
	done
	wait "$job" || status=$?
	job=
	clear_line
	if [ "$status" -eq 0 ] && ((SECONDS - start >= 2)); then
		say "  $label: done in $((SECONDS - start))s"
	fi
	return "$status"
}

progress_text() {
	local lines percent

	lines=$(wc -l 2>/dev/null <"$1") || lines=0
	if [ "$2" -gt 0 ]; then
		percent=$((lines * 100 / $2))
		echo "$((percent < 99 ? percent : 99))%, "
	fi
}

# The end of a failed step: the log's last lines, then one line of our own.
# A full disk is named as such, whichever tool ran into it.
fail_log() {
	local label=$1 log=$2

	# The log may have ended with the space, before it could say so.
	if grep -q -e 'No space left on device' -e 'Disk quota exceeded' "$log" 2>/dev/null || disk_is_full "$(dirname "$log")"; then
		die "disk full: $label could not write; $(cache_dir) has $(free_mb "$(cache_dir)") MB free; free some, or set GMEM_CACHE= to another disk"
	fi
	tail -n 20 "$log" >&2 || :
	die "$label failed; the full log is $log"
}

# step LABEL LOG STEPS COMMAND...: run_logged that ends the script on failure.
step() { run_logged "$@" || fail_log "$1" "$2"; }

# ---- kernel trees -----------------------------------------------------------

# "7 2" for a source tree, empty for anything else.
kernel_version() {
	[ -f "$1/Makefile" ] || return 0
	awk -F '[ \t]*=[ \t]*' '
		$1 == "VERSION" { major = $2 }
		$1 == "PATCHLEVEL" { minor = $2 }
		NR > 20 { exit }
		END { if (major ~ /^[0-9]+$/ && minor ~ /^[0-9]+$/) print major, minor }
	' "$1/Makefile"
}

# Dies unless the directory is a whole kernel source tree of at least 7.2.
check_kernel_source() {
	local dir=$1 version major minor f

	[ -e "$dir" ] || die "KDIR=$dir does not exist"
	[ -d "$dir" ] || die "KDIR=$dir is not a directory"
	version=$(kernel_version "$dir")
	if [ -z "$version" ]; then
		if [ -L "$dir/source" ] || [ -f "$dir/.config" ]; then
			die "KDIR=$dir is a kernel's build directory; give its source tree"
		fi
		die "KDIR=$dir is not a Linux kernel source tree"
	fi
	read -r major minor <<<"$version"
	for f in Kconfig kernel/fork.c mm/gup.c lib/Kconfig lib/Makefile samples/Kconfig samples/Makefile arch/um/Makefile; do
		[ -f "$dir/$f" ] || die "KDIR=$dir is not a whole Linux kernel source tree ($f is missing; headers alone are not enough)"
	done
	if ((major < want_major || (major == want_major && minor < want_minor))); then
		die "KDIR=$dir is Linux $major.$minor; gmem_convert needs $want_major.$want_minor or newer"
	fi
}

# ---- grafts ---------------------------------------------------------------------

# changed_files TREE: the kernel's files that the graft in TREE has changed.
changed_files() { sed -n 's/^edit //p; s/^change [0-9a-f]* //p' "$1/lib/gmem_convert/.graft-manifest"; }

# grafted_files TREE: those, and the files that it has brought.
grafted_files() {
	sed -n 's/^file [0-9a-f]* //p' "$1/lib/gmem_convert/.graft-manifest"
	changed_files "$1"
}

# as_upstream FILE: a grafted file without the mark of its line.
as_upstream() { sed 's/\t# grafted by gmem_convert$//' "$1"; }

# ---- tests ----------------------------------------------------------------------

# The lines of the table of tests that declare one.
test_lines() { grep -v -e '^#' -e '^$' "${GMEM_TESTS:-$root/scripts/tests/table}"; }

# Takes a line apart into test_*.
read_test() {
	IFS='|' read -r test_name test_lane test_when test_memory test_cpus test_seconds test_append test_runs test_what <<<"$(sed -E 's/[[:space:]]*\|[[:space:]]*/|/g' <<<"$1")"
}

# find_test NAME
find_test() {
	local line

	while IFS= read -r line; do
		read_test "$line"
		[ "$test_name" != "$1" ] || return 0
	done < <(test_lines)
	return 1
}

# ---- kernel logs ----------------------------------------------------------------

# A kernel log without the complaints that are not about us. There are two. When
# two tasks unmap from one mm at the same time, tlb_finish_mmu() calls
# flush_tlb_mm(), and arch/um's walks the VMAs holding no lock; any file system
# under UML provokes it. And KCSAN sees data races in all of the kernel: one is
# ours if one of the two functions is, or called the helper that is. Nothing else
# of the same kind is left out.
without_known() {
	tr -d '\r' <"$1" | awk '
		function flush() {
			if (!(text ~ /WARNING: suspicious RCU usage/ && text ~ /lib\/maple_tree\.c:/ &&
			      text ~ / flush_tlb_mm\+/ && text ~ / tlb_finish_mmu\+/) &&
			    !(text ~ /BUG: KCSAN: / && !ours))
				printf "%s", text
			text = ""
			inside = trace = ours = frame = 0
		}
		/^(\[[ 0-9.]+\] )?=+$/ { if (inside) flush(); inside = 1 }
		inside && trace && !/^ \[</ { flush() }
		inside && / by (task|interrupt) / { frame = 1; text = text $0 "\n"; next }
		inside && frame && frame++ <= 2 && /gmem|guest_memfd/ { ours = 1 }
		inside { text = text $0 "\n"; if (/Call Trace:/) trace = 1; next }
		{ print }
		END { flush() }'
}

# What may not be in the log of a kernel that works; nothing found is a failure.
complaints() {
	without_known "$1" | grep -E -e 'WARNING:' -e 'BUG:' -e 'BUG at ' -e 'KASAN' -e 'UBSAN' -e 'Oops' -e 'Call Trace' \
		-e 'possible recursive locking' -e 'circular locking' -e 'INFO: ' \
		-e 'Kernel panic' -e 'lockdep is turned off' -e 'held lock freed' -e 'bad unlock balance' \
		-e 'suspicious RCU usage' -e 'sleeping function called' -e 'list_(add|del) corruption' \
		-e 'general protection' -e 'Bad page' -e 'kmemleak: [0-9]+ new' -e 'refcount_t: '
}

# UML keeps its memory in a file that it maps executable, in /dev/shm if that
# is a tmpfs. Containers often allow only 64 MB there, and touching more then
# kills UML with SIGBUS, so use the cache's disk instead.
memory_directory() {
	local dir=$1 mb=${2:-1200}

	if [ "$(stat -f -c %T /dev/shm 2>/dev/null)" = tmpfs ] && [ "$(free_mb /dev/shm)" -ge "$mb" ] && [ -w /dev/shm ]; then
		echo /dev/shm
	else
		need_space "$dir" "$mb" "the memory of user-mode Linux"
		echo "$dir"
	fi
}

# ---- the way every command starts ---------------------------------------------

# Tools, source, build tree; sets src, work and tree, and holds the lock. The
# library in the tree is this checkout's, or that of the one named by GMEM_FROM.
prepare() {
	clean_environment
	"$root/scripts/deps" "$@"
	src=$("$root/scripts/kernel-source")
	work=$(work_dir "$src")
	tree=$work/tree
	take_lock "$(builds_dir)"
	mkdir -p "$work/logs" "$work/run"
	"$root/scripts/tree" "$src" "$tree" "${GMEM_FROM:-$root}"
}
