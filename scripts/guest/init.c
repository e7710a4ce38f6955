// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of every kernel that scripts/lane boots.
 *
 * It mounts the usual places, gives the program named by its arguments a
 * console of its own, waits for it and powers off. The program is an ordinary
 * child, so that one that crashes leaves an exit status and a complete kernel
 * log instead of a panic.
 *
 * /dev/console is where the kernel log goes; the program gets the terminal that
 * GMEM_CONSOLE names. With GMEM_PROMPT somebody sits at the other end, else the
 * other end is a file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

static void mount_at(const char *type, const char *path)
{
	mkdir(path, 0755);
	if (mount(type, path, type, 0, NULL))
		printf("init: cannot mount %s: %s\n", type, strerror(errno));
}

static void write_if_there(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	if (f && (fputs(text, f) < 0 || fclose(f)))
		printf("init: cannot write %s: %s\n", path, strerror(errno));
}

/*
 * Only the steps that the library names count for fail-nth, as they do in a
 * kernel without these two, unless a test wants all allocations.
 */
static void spare_allocations(void)
{
	write_if_there("/sys/kernel/debug/failslab/cache-filter", "Y");
	write_if_there("/sys/kernel/debug/fail_page_alloc/min-order", "32");
}

/*
 * The program's terminal, or -1.  It becomes a controlling terminal only of a
 * prompt: the end of a session hangs up, and the serial driver then throws away
 * what it has not sent yet.
 */
static int open_console(bool prompt)
{
	const char *name = getenv("GMEM_CONSOLE");
	struct termios t;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/dev/%s", name ? name : "console");
	fd = open(path, O_RDWR | O_NOCTTY);
	if (fd < 0) {
		printf("init: cannot open %s: %s\n", path, strerror(errno));
		return fd;
	}
	/* A file takes no carriage returns and sends no echo back. */
	if (!prompt && !tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		tcsetattr(fd, TCSANOW, &t);
	}
	return fd;
}

static int run_program(char **argv, int console, bool prompt)
{
	setsid();
	if (prompt)
		ioctl(console, TIOCSCTTY, 0);
	dup2(console, 0);
	dup2(console, 1);
	dup2(console, 2);
	close(console);
	execvp(argv[0], argv);
	printf("cannot run %s: %s\n", argv[0], strerror(errno));
	return 127;
}

/*
 * A scan only reports what is unreferenced for five seconds; the second one
 * drops what the first found in the middle of a change. The log check looks
 * for the kernel's own line; which objects, only this tells.
 */
static void report_leaks(void)
{
	static const char path[] = "/sys/kernel/debug/kmemleak";
	char line[256];
	FILE *f;
	int i;

	if (access(path, F_OK))
		return;
	for (i = 0; i < 2; i++) {
		sleep(6);
		f = fopen(path, "w");
		if (!f || fputs("scan", f) < 0 || fclose(f))
			printf("init: BUG: kmemleak does not scan\n");
	}
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		fputs(line, stdout);
}

int main(int argc, char **argv)
{
	bool prompt = getenv("GMEM_PROMPT");
	int status = 127 << 8;	/* what a shell says of no program */
	int console;
	pid_t pid;

	setenv("PATH", "/bin", 1);
	setenv("HOME", "/", 1);
	setvbuf(stdout, NULL, _IONBF, 0);
	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tracefs", "/sys/kernel/tracing");
	mount_at("tmpfs", "/tmp");
	spare_allocations();

	console = open_console(prompt);
	pid = argc < 2 ? -1 : fork();
	if (!pid)
		_exit(run_program(argv + 1, console, prompt));
	/* Orphans end up here too; only the program's end counts. */
	while (pid > 0) {
		pid_t got = wait(&status);

		if (got == pid || (got < 0 && errno != EINTR))
			break;
	}
	if (WIFSIGNALED(status))
		printf("init: program was killed by signal %d\n", WTERMSIG(status));
	else
		printf("init: program exited with %d\n", WEXITSTATUS(status));
	tcdrain(console);
	report_leaks();
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
