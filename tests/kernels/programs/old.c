/* A program of 32 bits that makes a call of each kind; what it does in vain, it does in /nowhere. */
#include "call.h"

#ifdef __arm__
enum { EXIT_GROUP = 248, SOCKET = 281, BIND, CONNECT, LISTEN, SENDTO = 290, SETSOCKOPT = 294, SENDMSG = 296, SHMGET = 307,
       SHMAT = 305, OPENAT = 322, FCHOWNAT = 325, UNSHARE = 337, ACCEPT4 = 366, SENDMMSG = 374, SETNS,
       RENAMEAT2 = 382, BPF = 386, EXECVEAT };
/* Numbers of 64 bits are in registers that begin with an even one. */
#define LENGTH_OF(low, high) 0, low, high
#else
enum { EXIT_GROUP = 252, SOCKET = 359, BIND = 361, CONNECT, LISTEN, ACCEPT4, SETSOCKOPT = 366, SENDTO = 369, SENDMSG,
       SHMGET = 395, SHMAT = 397, OPENAT = 295, FCHOWNAT = 298, UNSHARE = 310, SENDMMSG = 345, SETNS,
       RENAMEAT2 = 353, BPF = 357, EXECVEAT };
#define LENGTH_OF(low, high) low, high
#endif
enum { OPEN = 5, CLOSE, CREAT = 8, LINK, UNLINK, EXECVE, CHDIR, MKNOD = 14, CHMOD, LCHOWN,
       MOUNT = 21, SETUID = 23, PTRACE = 26, RENAME = 38, MKDIR, RMDIR, UMOUNT2 = 52, CHROOT = 61,
       SETREGID = 71, SYMLINK = 83, TRUNCATE = 92, FCHMOD = 94, FCHOWN, MPROTECT = 125,
       DELETE_MODULE = 129, CHOWN = 182, MMAP2 = 192, TRUNCATE64, FTRUNCATE64, SETRESUID32 = 208,
       CHOWN32 = 212, SETXATTR = 226, URING_SETUP = 425, URING_ENTER };

#define AT_FDCWD -100
#define O_WRONLY 1
#define READ_EXECUTE 5
#define PRIVATE 2
#define ANONYMOUS 0x22
#define SHARED 1
#define PAGE 4096
#define ASYNC 16
#define NEW_UTS 0x4000000
#define MISSING "/nowhere/old"

static void files(void)
{
	int file;

	CALL(CHDIR, "/tmp");
	CALL(CLOSE, CALL(CREAT, "first", 0640));
	CALL(CLOSE, CALL(OPEN, "first", 0, 0));
	CALL(OPEN, MISSING, O_WRONLY, 0);
	file = CALL(OPENAT, AT_FDCWD, "first", O_WRONLY, 0);
	CALL(LINK, "first", "second");
	CALL(RENAME, "second", "third");
	CALL(RENAMEAT2, AT_FDCWD, "third", AT_FDCWD, "second", 1);
	CALL(SYMLINK, "what it says", "link");
	CALL(UNLINK, "link");
	CALL(UNLINK, "second");
	CALL(UNLINK, MISSING);
	CALL(MKDIR, "folder", 0750);
	CALL(RMDIR, "folder");
	CALL(MKNOD, "fifo", 010640, 0);
	CALL(UNLINK, "fifo");
	CALL(CHMOD, "first", 0600);
	CALL(FCHMOD, file, 0604);
	CALL(CHOWN32, "first", -1, 70007);
	CALL(CHOWN, "first", 0xffff, 7);
	CALL(LCHOWN, "first", 8, 0xffff);
	CALL(FCHOWN, file, 9, 0xffff);
	CALL(FCHOWNAT, AT_FDCWD, "first", 10, -1, 0);
	CALL(TRUNCATE, "first", 5);
	CALL(TRUNCATE, "first", -1);
	CALL(TRUNCATE64, "first", LENGTH_OF(9, 1));
	CALL(SETXATTR, MISSING, "user.one", "value", 5, 0);
	CALL(MOUNT, "tmpfs", MISSING, "tmpfs", 2, 0);
	CALL(UMOUNT2, MISSING, 2);
	CALL(MMAP2, 0, PAGE, READ_EXECUTE, PRIVATE, file, 0);
	file = CALL(OPEN, "/test/old", 0, 0);
	CALL(FTRUNCATE64, file, LENGTH_OF(10, 2));
	CALL(MMAP2, 0, PAGE, READ_EXECUTE, PRIVATE, file, 0);
	CALL(MPROTECT, CALL(MMAP2, 0, PAGE, 1, PRIVATE, file, 0), PAGE, READ_EXECUTE);
	CALL(MPROTECT, CALL(MMAP2, 0, PAGE, 1, ANONYMOUS, -1, 0), PAGE, READ_EXECUTE);
	CALL(SHMAT, CALL(SHMGET, 0, PAGE, 01700), 0, 0100000);
	CALL(UNLINK, "first");
}

static void rights(void)
{
	static const char *arguments[] = {MISSING, "one", "two", 0};

	CALL(SETUID, 0xffff);
	CALL(SETUID, 7);
	CALL(SETREGID, 0xffff, 8);
	CALL(SETRESUID32, 70001, -1, 70003);
	CALL(PTRACE, 16, 1, 0, 0);
	CALL(UNSHARE, NEW_UTS);
	CALL(SETNS, 0, NEW_UTS);
	CALL(CHROOT, MISSING);
	CALL(DELETE_MODULE, "nowhere", 0x800);
	CALL(EXECVE, MISSING, arguments, 0);
	CALL(EXECVEAT, AT_FDCWD, MISSING, arguments, 0, 0);
}

struct internet {
	unsigned short family;
	unsigned char port[2], address[4], zero[8];
};
static const struct internet listener = {2, {4545 >> 8, 4545 & 255}, {127, 0, 0, 1}, {}};
static const struct internet closed = {2, {0, 9}, {127, 0, 0, 1}, {}};

struct local {
	unsigned short family;
	char path[14];
};
static const struct local receiver = {1, "/tmp/receiver"};
static const struct local nobody = {1, "/nowhere/old"};
static const struct local nothing = {1, "/nowhere/ring"};
static const struct local nothing_yet = {1, "/nowhere/work"};

struct message {
	const void *name;
	unsigned length;
	const void *parts;
	unsigned count;
	const void *control;
	unsigned control_length, flags;
	unsigned sent; /* of sendmmsg */
};
static const struct {
	const char *text;
	unsigned length;
} part = {"value", 5};
static struct message messages[] = {{&receiver, sizeof(receiver), &part, 1, 0, 0, 0, 0},
				    {&nobody, sizeof(nobody), &part, 1, 0, 0, 0, 0},
				    {&nothing, sizeof(nothing), &part, 1, 0, 0, 0, 0},
				    {&nothing_yet, sizeof(nothing_yet), &part, 1, 0, 0, 0, 0}};

static void sockets(void)
{
	int one = 1, listening, datagram;

	listening = CALL(SOCKET, 2, 1, 0);
	CALL(SETSOCKOPT, listening, 1, 2, &one, sizeof(one));
	CALL(BIND, listening, &listener, sizeof(listener));
	CALL(LISTEN, listening, 5);
	CALL(CONNECT, CALL(SOCKET, 2, 1, 0), &listener, sizeof(listener));
	CALL(ACCEPT4, listening, 0, 0, 0);
	CALL(CONNECT, CALL(SOCKET, 2, 1, 0), &closed, sizeof(closed));
	CALL(CONNECT, CALL(SOCKET, 2, 1, 0), &closed, 3);
	CALL(CONNECT, CALL(SOCKET, 2, 2, 0), &closed, sizeof(closed));
	CALL(CONNECT, CALL(SOCKET, 1, 1, 0), &nobody, sizeof(nobody));
	CALL(SOCKET, 17, 3, 0x300);
	CALL(BIND, CALL(SOCKET, 1, 2, 0), &receiver, sizeof(receiver));
	datagram = CALL(SOCKET, 1, 2, 0);
	CALL(SENDTO, datagram, "value", 5, 0, &nobody, sizeof(nobody));
	CALL(SENDMSG, datagram, messages, 0);
	CALL(SENDMMSG, datagram, messages, 2, 0);
	CALL(UNLINK, receiver.path);
}

/* From the kernel's linux/io_uring.h: head, tail, mask, entries, flags, dropped, array, … of the queue. */
static struct {
	unsigned entries, ends, rest[8], queue[10], completion[10];
} parameters;

struct entry {
	unsigned char opcode, flags;
	unsigned short priority;
	int file;
	unsigned long long offset, place;
	unsigned length, options;
	unsigned long long rest[4];
};

/* One request through a ring of its own; with ASYNC, one of the kernel's workers does it. */
static void ask(unsigned char opcode, unsigned char flags, int file, const void *place, unsigned length,
		unsigned offset)
{
	long ring = CALL(URING_SETUP, 1, &parameters);
	char *queue = (char *)CALL(MMAP2, 0, PAGE, 3, SHARED, ring, 0);
	struct entry *entry = (struct entry *)CALL(MMAP2, 0, PAGE, 3, SHARED, ring, 0x10000);

	entry->opcode = opcode;
	entry->flags = flags;
	entry->file = file;
	entry->offset = offset;
	entry->place = (unsigned long)place;
	entry->length = length;
	*(unsigned *)(queue + parameters.queue[1]) = 1;
	CALL(URING_ENTER, ring, 1, 1, 1, 0, 0);
}

static void requests(void)
{
	ask(18 /* openat */, 0, AT_FDCWD, MISSING, 0, 0);
	ask(16 /* connect */, 0, CALL(SOCKET, 2, 1, 0), &closed, 0, sizeof(closed));
	ask(16, 0, CALL(SOCKET, 1, 1, 0), &nobody, 0, sizeof(nobody));
	ask(9 /* sendmsg */, 0, CALL(SOCKET, 1, 2, 0), &messages[2], 1, 0);
	ask(9, ASYNC, CALL(SOCKET, 1, 2, 0), &messages[3], 1, 0);
}

#ifdef __i386__
__attribute__((force_align_arg_pointer))
#endif
void _start(void)
{
	files();
	rights();
	sockets();
	requests();
	CALL(EXIT_GROUP, 7);
}
