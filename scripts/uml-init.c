// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of every kernel that scripts/uml boots.
 *
 * It mounts the usual places, gives the program a console of its own, waits
 * for it and powers off. The program is an ordinary child, so that one that
 * crashes leaves an exit status and a complete kernel log instead of a panic.
 *
 * /dev/console is the serial line, where the kernel log goes; the program gets
 * /dev/tty0. The host keeps the two apart as two files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
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
		printf("uml-init: cannot mount %s: %s\n", type, strerror(errno));
}

/* The console is a file on the host: no carriage returns, no echo. */
static void open_console(void)
{
	struct termios t;
	int fd = open("/dev/tty0", O_RDWR);

	if (fd < 0) {
		printf("uml-init: cannot open /dev/tty0: %s\n", strerror(errno));
		return;
	}
	if (!tcgetattr(fd, &t)) {
		cfmakeraw(&t);
		tcsetattr(fd, TCSANOW, &t);
	}
	dup2(fd, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	if (fd > 2)
		close(fd);
}

int main(void)
{
	int status = 0;
	pid_t pid;

	setvbuf(stdout, NULL, _IONBF, 0);
	mount_at("devtmpfs", "/dev");
	mount_at("proc", "/proc");
	mount_at("sysfs", "/sys");
	mount_at("debugfs", "/sys/kernel/debug");
	mount_at("tracefs", "/sys/kernel/tracing");
	mount_at("tmpfs", "/tmp");

	pid = fork();
	if (!pid) {
		setsid();
		open_console();
		execl("/program", "/program", NULL);
		printf("cannot run /program: %s\n", strerror(errno));
		_exit(127);
	}
	/* Orphans end up here too; only the program's end counts. */
	while (pid > 0) {
		pid_t got = wait(&status);

		if (got == pid || (got < 0 && errno != EINTR))
			break;
	}
	if (WIFSIGNALED(status))
		printf("uml-init: program killed by signal %d\n", WTERMSIG(status));
	else
		printf("uml-init: program exited with %d\n", WEXITSTATUS(status));
	sync();
	reboot(RB_POWER_OFF);
	return 1;
}
