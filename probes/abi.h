/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * All that the probes and the daemon share: what is sent, the values of maps, and every number that
 * both must know. src/abi/generated.rs is generated from it (probes/abi.py), comments included:
 * write them for readers of both.
 */
#ifndef ABI_H
#define ABI_H

#include <linux/types.h>

/* Lengths in bytes, and counts. */
enum limit {
	PROGRAM_LENGTH = 16, /* of a program's name as the kernel keeps it (TASK_COMM_LEN) */
	ADDRESS_LENGTH = 16,
	LOCAL_NAME_LENGTH = 108, /* the longest name of a local socket (UNIX_PATH_MAX) */
	OBJECT_NAME_LENGTH = 56, /* the longest name of a target, a module or a BPF program */
	DNS_LENGTH = 512,   /* the most of a DNS message that is copied: more than any question */
	RECORD_MAX = 40960, /* the largest record: its strings are cut, and the cut counted, here */
	REQUEST_LENGTH = 4096,	 /* the largest record of an io_uring request under way */
	ARGV_FIRST = 8192,	 /* the most of a command's arguments that is in its own record */
	SLOTS_PER_CPU = 4,	 /* slots to build records in that each CPU has */
	SPARE_SLOTS = 16,	 /* slots that all CPUs have beside them */
	SESSIONS_SIZE = 16384,	 /* sessions that can be recorded at once */
	PROCESSES_SIZE = 131072, /* processes that can be recorded at once */
	PROCESS_COUNTS = 32768,	 /* classes of process ids, by their last bits */
	HELD_SIZE = 4096,	 /* processes that can be stopped at once */
	SHARE_ACCOUNTS = 256,	 /* numbers that there are for accounts, */
	SHARE_SESSIONS = 1024,	 /* and for sessions, a power of two */
	SHARE_COUNT = 1 + SHARE_ACCOUNTS + SHARE_SESSIONS,
	SHARE_OF_REST = 8,   /* one account may have so many times what is free of a table */
	VARIABLE_WORDS = 4,  /* of the beginning of an environment variable to record */
	VARIABLE_COUNT = 16, /* environment variables that can be asked for */
	PATTERN_WORDS = 8,   /* of the beginning of a path */
	PATTERN_COUNT = 32,
	TERMINAL_LENGTH = 32768,   /* the most of a terminal's output that is in one record */
	TERMINAL_BURST = 8000000,  /* bytes of output that a session may have at once, */
	TERMINAL_TERMINALS = 4096, /* terminals that can be recorded at once, and their sessions */
};

/* What stands where there is no such number. */
enum unset {
	ID_NONE = 0xffffffff,	  /* a uid, gid or loginuid that is not known, or not set */
	AUDIT_UNSET = 0xffffffff, /* the audit session of what never logged in (AUDIT_SID_UNSET) */
	VSOCK_ANY = 0xffffffff,	  /* a port or context id of AF_VSOCK (VMADDR_PORT_ANY) */
};

/* Eight bytes of text, which the probes compare at once. */
typedef __u64 letters;

/* What is counted, and left out, together. */
enum family {
	FAMILY_SESSION,
	FAMILY_COMMAND,
	FAMILY_PROCESS_EXIT,
	FAMILY_DISK,
	FAMILY_NETWORK,
	FAMILY_NETWORK_RESULT,
	FAMILY_PRIVILEGE,
	FAMILY_COUNT,
};

/* The ring buffers: of how sessions begin and end, of programs and rights, of files, of sockets. */
enum ring_name {
	RING_SESSION,
	RING_COMMAND,
	RING_DISK,
	RING_NETWORK,
	RING_COUNT,
};

/* Why an event is missing. */
enum loss {
	LOSS_RING_FULL,
	LOSS_SLOTS_BUSY,
	LOSS_TABLE_FULL,
	LOSS_SHARE_FULL,
	LOSS_COUNT,
};

/* What a record tells. */
enum kind {
	KIND_SESSION_START = 1,
	KIND_SESSION_END,
	KIND_ENVIRONMENT,
	KIND_COMMAND,
	KIND_DISK,
	KIND_NETWORK,
	KIND_ARGUMENTS,
	KIND_PROCESS_EXIT,
	KIND_NETWORK_RESULT,
	KIND_LOCAL_CONNECT,
	KIND_PRIVILEGE,
	KIND_SEND,
	KIND_DNS,
	KIND_VSOCK,
	KIND_PACKET_SOCKET,
	KIND_IDENTITY,
	KIND_SUBSYSTEM,
	KIND_RESIZE,
};

/* How it was asked for, if not by a system call of its own. */
enum via {
	VIA_IO_URING = 1,
	VIA_OUTCOME_UNKNOWN = 2, /* how it ended could not be seen */
	VIA_LATE = 4,		 /* set by the daemon: later ones have been handed on already */
	VIA_RACY = 8,		 /* arguments can have been changed since the kernel read them */
};

/* What is to be said of a path. */
enum path_note {
	PATH_CUT = 1,	    /* the beginning is missing: deeper than can be walked, or in no tree */
	PATH_DELETED = 2,   /* no longer linked into its directory */
	PATH_RELATIVE = 4,  /* begins at a directory that could not be read */
	PATH_REQUESTED = 8, /* ends in what was requested, in which no symbolic link is followed */
	PATH_FOLLOWED = 16, /* the call followed a link at the end of what was requested */
	PATH_CHROOT = 32,   /* the process has another root than its mount namespace */
	PATH_NONE = 64,	    /* memory without a file */
	PATH_RACY = 128,    /* what was requested can have been changed during the call */
	PATH_DETACHED = 256, /* begins at a mount that is not in the process's tree of mounts */
};

/* Programs that the kernel may skip. */
enum probe {
	PROBE_SESSION_FORK,
	PROBE_SESSION_EXIT,
	PROBE_COMMAND_EXEC,
	PROBE_COMMAND_FAILED,
	PROBE_CHANNEL_ACT,
	PROBE_DISK_OPEN,
	PROBE_DISK_CHANGE,
	PROBE_DISK_MAP,
	PROBE_URING_SUBMIT,
	PROBE_URING_COMPLETE,
	PROBE_NETWORK_STATE,
	PROBE_NETWORK_CONNECT,
	PROBE_NETWORK_ACCEPT,
	PROBE_NETWORK_SOCKET,
	PROBE_NETWORK_LOCAL,
	PROBE_PRIVILEGE_ACT,
	PROBE_PRIVILEGE_HOST,
	PROBE_PRIVILEGE_FILE,
	PROBE_PRIVILEGE_SIGNAL,
	PROBE_SYSCALL_EXIT,
	PROBE_COMPAT_EXIT,
	PROBE_TERMINAL_READ,
	PROBE_DISK_NAME, /* without a copy: what it notes is told by other names, too */
	PROBE_COUNT,
};

/* Of the results of connects, which come by interrupt, and of what runs first for a thread. */
#define SEAT_OF_RESULTS PROBE_COUNT
#define PROBE_SEATS 24

/*
 * Functions of the kernel for which the loader has no way, as helpers of numbers that no kernel
 * has: the daemon puts in the right instructions (src/kernel/kfunc.rs). Those of whole programs are
 * none where they can't be called around global functions.
 */
enum kernel_function {
	FUNCTION_PROGRAM_PREEMPT_DISABLE = 0x7ff1,
	FUNCTION_PROGRAM_PREEMPT_ENABLE = 0x7ff2,
	FUNCTION_PROGRAM_IRQ_SAVE = 0x7ff3,
	FUNCTION_PROGRAM_IRQ_RESTORE = 0x7ff4,
	FUNCTION_PREEMPT_DISABLE = 0x7ff5,
	FUNCTION_PREEMPT_ENABLE = 0x7ff6,
};

/* Every record begins with this. */
struct record {
	__u64 time; /* CLOCK_BOOTTIME, nanoseconds */
	__u64 session;
	__u64 cgroup_id;
	__u32 length; /* of the whole record, this head included */
	__u16 kind;
	__u16 via; /* enum via */
	__u32 pid;
	__u32 audit_session_id;
	char program[PROGRAM_LENGTH];
};

/* One end of a connection. */
struct endpoint {
	__u8 address[ADDRESS_LENGTH]; /* version 4 uses the first four bytes */
	__u16 port;		      /* host byte order */
	__u8 version;		      /* 4, 6, or 0 where there is none */
	__u8 unused[5];
};

/* By which program somebody logs in. */
enum login {
	LOGIN_NONE,
	LOGIN_SSH,	   /* sshd, dropbear */
	LOGIN_CONSOLE,	   /* login */
	LOGIN_CRON,	   /* cron, crond */
	LOGIN_AT,	   /* atd */
	LOGIN_SU,	   /* su, where it is in no session */
	LOGIN_SYSTEMD_RUN, /* systemd, a unit that a session has asked for */
	LOGIN_SYSTEMD,	   /* systemd otherwise, where a session may have asked for it */
	LOGIN_KERNEL,	   /* the kernel itself, where a session may have named the program */
	LOGIN_COUNT,
};

/* The title of sshd's process follows, where it is known. */
struct session_start {
	struct record record;
	struct endpoint local;
	struct endpoint remote;
	__u64 parent; /* the session from which the login came; 0 if it came from none */
	__u64 began;  /* when, if it was open already when it was found; else 0 */
	__u32 uid;
	__u32 connection_pid; /* the process that holds the connection */
	__u32 login;	      /* enum login */
	__u32 title_length;
};

/* The last process of a session exited. */
struct session_end {
	struct record record;
	__u64 lost[FAMILY_COUNT][LOSS_COUNT];
	__u64 excluded[FAMILY_COUNT];
};

/* What sshd gave the first program of a session; the environment follows. */
struct environment {
	struct record record;
	__u32 environment_length;
	__u32 unused;
};

/* What sshd writes for the user about how they have proved who they are. It follows. */
struct identity {
	struct record record;
	__u32 identity_length;
	__u32 unused;
};

/* The strings that follow a command, in this order. */
enum text {
	TEXT_PATH,	  /* as executed */
	TEXT_EXE,	  /* the file that runs */
	TEXT_CWD,	  /* the working directory */
	TEXT_INTERPRETER, /* of a script */
	TEXT_ENVIRONMENT, /* the variables that the config names, each ended by a zero byte */
	TEXT_ARGV,	  /* argv[0] included, each ended by a zero byte */
	TEXT_COUNT,
};

/* What is to be said of a command. */
enum command_mark {
	COMMAND_EXE_DELETED = 1,
	COMMAND_PRIVILEGED = 2,		 /* this exec raised the process's privilege */
	COMMAND_ENVIRONMENT_PARTIAL = 4, /* more variables than are looked at */
	COMMAND_PATH_INCOMPLETE = 8,	 /* the beginning of exe or cwd is missing */
	COMMAND_COMPAT = 16,		 /* a 32-bit program */
	COMMAND_CHANNEL = 32,		 /* the one that a login server runs for a channel */
	COMMAND_REQUESTED_CUT = 64,	 /* the end of what was asked for there is missing */
	COMMAND_EXCLUDED = 128,		 /* the config leaves out all but that there is a channel */
};

/* What a process may do by its ids. */
struct ids {
	__u32 uid;
	__u32 gid;
	__u32 euid;
	__u32 egid;
};

/* A program was run, or could not be. Its strings follow. */
struct command {
	struct record record;
	__u64 inode;
	__u32 device; /* 12 bits of major number, 20 of minor */
	__u32 parent_pid;
	__s32 return_code;
	struct ids ids;
	__u32 marks;
	__u32 argv_missing; /* bytes of the arguments that could not be sent */
	__u32 terminal;	    /* device number of the controlling terminal; 0 where there is none */
	__u16 rows;
	__u16 columns;
	__u32 lengths[TEXT_COUNT];
	__u32 argv_ahead;	/* bytes of the arguments that were sent before it */
	__u64 exec;		/* as in struct arguments */
	__u32 requested_length; /* of a channel's, before the arguments: what the client asked for,
				   if that is not what runs */
	__u32 unused;
};

/* A login server serves a channel itself, or the terminal of one has another size. */
struct channel {
	struct record record;
	__u32 leader;	/* the process that the channel is for */
	__u32 terminal; /* as of a command */
	__u16 rows;
	__u16 columns;
	__u32 unused;
};

/*
 * A later part of the arguments of the command that this process sends next. The bytes follow.
 */
struct arguments {
	struct record record;
	__u64 exec;   /* tells it from the process's other execs */
	__u32 offset; /* in the block of all arguments */
	__u32 arguments_length;
};

/* A process that ran a command of the session is gone. */
struct process_exit {
	struct record record;
	__u64 duration;	  /* since its last exec, nanoseconds */
	__u64 cpu_time;	  /* of the whole process, up to its last switch, nanoseconds */
	__u64 max_memory; /* resident, pages */
	__u32 exit_code;  /* as wait(2) has it */
	__u32 unused;
};

/* What is done to a file. */
enum disk_operation {
	DISK_OPEN,
	DISK_CREATE, /* an open that made the file */
	DISK_UNLINK,
	DISK_RENAME,
	DISK_LINK,
	DISK_SYMLINK,
	DISK_MKDIR,
	DISK_RMDIR,
	DISK_MKNOD,
	DISK_CHMOD,
	DISK_CHOWN,
	DISK_TRUNCATE,
	DISK_SETXATTR,
	DISK_REMOVEXATTR,
	DISK_MOUNT,
	DISK_UMOUNT,
	DISK_MAP,     /* into memory, to be executed */
	DISK_PROTECT, /* memory that is there, so that it can be executed */
	DISK_OPEN_TREE,
	DISK_FSMOUNT,
	DISK_FSPICK,
	DISK_MOUNT_SETATTR,
	DISK_OPERATION_COUNT,
};

/*
 * The strings that follow a file operation, in this order. What was requested is left out where it
 * is the same as the path, and where the path ends in it (PATH_REQUESTED).
 */
enum disk_text {
	DISK_PATH,
	DISK_PATH_REQUESTED,
	DISK_TARGET, /* the second path of a call that has two */
	DISK_TARGET_REQUESTED,
	DISK_NAME, /* of an extended attribute, or of a type of file system */
	DISK_TEXT_COUNT,
};

/* A file operation, or the attempt at one. */
struct disk {
	struct record record;
	__s32 return_code;
	__u32 flags; /* of the call */
	__u64
	    value; /* DISK_TRUNCATE: the new length; DISK_MKNOD: the device, as mknod(2) takes it */
	__u32 owner;
	__u32 group;
	__u16 operation;
	__u16 mode;
	__u16 path_notes;
	__u16 target_notes;
	__u16 lengths[DISK_TEXT_COUNT]; /* with PATH_REQUESTED what was requested has a length all
					   the same */
	__u16 unused[3];
};

/* What was done with a connection. */
enum operation {
	OPERATION_CONNECT = 0,
	OPERATION_SEND = 1,
	OPERATION_LISTEN = 2,
	OPERATION_ACCEPT = 3,
};

/* A connection was begun or accepted, or a socket listens. */
struct network {
	struct record record;
	struct endpoint source;
	struct endpoint destination;
	__u64 connection; /* tells it from all others that are open; 0 if no result follows */
	__u32 operation;
	__u32 protocol;	   /* IPPROTO_... */
	__s32 return_code; /* negative where a connect failed before anything was sent */
	__u32 unused;
};

/* What is to be said of a datagram. */
enum send_mark {
	SEND_RAW = 1, /* through a raw socket: the program wrote the protocol's header itself */
};

/*
 * Datagrams of one process to one peer in one period of silence. The peer is an address, or the
 * name of a local socket.
 */
struct sends_key {
	__u64 session;
	__u64 ends;    /* the period; CLOCK_BOOTTIME, nanoseconds */
	__u64 started; /* the process; the same clock */
	__u32 pid;
	__u32 protocol;
	__s32 return_code;
	__u32 marks; /* enum send_mark */
	struct endpoint destination;
	__u32 name_length;
	char name[LOCAL_NAME_LENGTH];
};

/* What became of them. */
struct sends {
	__u64 count;   /* those without an event of their own */
	__u32 is_told; /* one of them has an event */
	__u32 uid;     /* whose share it is of */
};

/* The first datagram of a period; or any, where there is no room to count more. */
struct send {
	struct record record;
	struct endpoint source;
	struct sends_key key;
	__u64 is_counted; /* the table has an entry for the others */
};

/* A datagram to the DNS port. The message follows. */
struct dns {
	struct record record;
	struct endpoint source;
	struct endpoint destination;
	__u32 message_length;
	__u32 unused;
};

/* What became of a TCP connect. */
struct network_result {
	struct record record;
	struct endpoint source;
	struct endpoint destination;
	__u64 connection;
	__u64 duration; /* nanoseconds */
	__s32 result;	/* 0, or a negative error */
	__u32 unused;
};

/* A local socket was connected to. The name follows: a path, or in the abstract namespace anything.
 */
struct local_connect {
	struct record record;
	__s32 return_code;
	__u32 is_abstract;
	__u32 path_length;
	__u32 path_notes;
};

/*
 * What a login server has read from a terminal, to send it to its client. It follows. Where nothing
 * does, the terminal has got its size. It comes by a ring of its own, and has no kind.
 */
struct terminal_output {
	struct record record;
	__u64 terminal; /* what tells it from others of the session */
	__u64 excluded; /* bytes left out in front of it, since the last one */
	__u32 device;	/* the device number of the terminal */
	__u32 leader; /* the leader of its session of terminals; 0 where there is none (any more) */
	__u16 rows;
	__u16 columns;
	__u32 output_length;
};

/* A socket for virtual machines (AF_VSOCK) was connected, was accepted, or listens. */
struct vsock {
	struct record record;
	__s32 return_code;
	__u32 operation;
	__u32 context; /* the own context id */
	__u32 port;
	__u32 peer_context;
	__u32 peer_port;
};

/* A socket for frames of network devices (AF_PACKET) was made, or refused. */
struct packet_socket {
	struct record record;
	__s32 return_code;
	__u32 kind;	/* SOCK_... */
	__u16 protocol; /* ETH_P_... */
	__u16 unused[3];
};

/* How rights were changed, or another process or the kernel was reached into. */
enum privilege_operation {
	PRIVILEGE_NONE,
	PRIVILEGE_SETUID,
	PRIVILEGE_SETGID,
	PRIVILEGE_SETREUID,
	PRIVILEGE_SETREGID,
	PRIVILEGE_SETRESUID,
	PRIVILEGE_SETRESGID,
	PRIVILEGE_LOGINUID,
	PRIVILEGE_CAPSET,
	PRIVILEGE_PTRACE_ATTACH,
	PRIVILEGE_PTRACE_SEIZE,
	PRIVILEGE_PROCESS_VM_WRITEV,
	PRIVILEGE_INIT_MODULE,
	PRIVILEGE_FINIT_MODULE,
	PRIVILEGE_DELETE_MODULE,
	PRIVILEGE_BPF_PROG_LOAD,
	PRIVILEGE_KEXEC_LOAD,
	PRIVILEGE_KEXEC_FILE_LOAD,
	PRIVILEGE_UNSHARE,
	PRIVILEGE_SETNS,
	PRIVILEGE_CLONE,
	PRIVILEGE_CHROOT,
	PRIVILEGE_PIVOT_ROOT,
	PRIVILEGE_BPF_MAP_UPDATE_ELEM,
	PRIVILEGE_BPF_MAP_DELETE_ELEM,
	PRIVILEGE_BPF_MAP_LOOKUP_AND_DELETE_ELEM,
	PRIVILEGE_BPF_MAP_FREEZE,
	PRIVILEGE_BPF_MAP_UPDATE_BATCH,
	PRIVILEGE_BPF_MAP_DELETE_BATCH,
	PRIVILEGE_BPF_MAP_LOOKUP_AND_DELETE_BATCH,
	PRIVILEGE_BPF_MAP_GET_FD_BY_ID,
	PRIVILEGE_BPF_PROG_GET_FD_BY_ID,
	PRIVILEGE_BPF_PROG_ATTACH,
	PRIVILEGE_BPF_PROG_DETACH,
	PRIVILEGE_BPF_PROG_TEST_RUN,
	PRIVILEGE_BPF_RAW_TRACEPOINT_OPEN,
	PRIVILEGE_BPF_LINK_CREATE,
	PRIVILEGE_BPF_LINK_GET_FD_BY_ID,
	PRIVILEGE_BPF_LINK_UPDATE,
	PRIVILEGE_BPF_LINK_DETACH,
	PRIVILEGE_BPF_BTF_GET_FD_BY_ID,
	PRIVILEGE_BPF_OBJ_PIN,
	PRIVILEGE_BPF_OBJ_GET,
	PRIVILEGE_SIGNAL,
	PRIVILEGE_PRLIMIT,
	PRIVILEGE_SETPRIORITY,
	PRIVILEGE_SCHED_SETSCHEDULER,
	PRIVILEGE_SCHED_SETAFFINITY,
	PRIVILEGE_IOPRIO_SET,
	PRIVILEGE_PROCESS_MADVISE,
	PRIVILEGE_PIDFD_GETFD,
	PRIVILEGE_RECVMSG,
	PRIVILEGE_CLOCK_SETTIME,
	PRIVILEGE_SETTIMEOFDAY,
	PRIVILEGE_CLOCK_ADJTIME,
	PRIVILEGE_REBOOT,
	PRIVILEGE_SETHOSTNAME,
	PRIVILEGE_SYSLOG,
	PRIVILEGE_ACCT,
	PRIVILEGE_COUNT,
};

/* Whose the other process is. */
enum target {
	TARGET_UNKNOWN,
	TARGET_SAME,  /* of the same session */
	TARGET_OTHER, /* of another one */
	TARGET_NONE,  /* of none: what it does is not recorded */
};

/* Another process or the kernel was reached into, or rights were changed. The path follows. */
struct privilege {
	struct record record;
	__s32 return_code;
	__u32 operation;
	struct ids old_ids; /* ID_NONE where nothing changed */
	struct ids ids;
	__u32 requested[3]; /* as the call had them; ID_NONE leaves one as it is */
	__u32 old_loginuid;
	__u32 loginuid;
	__u32 old_audit_session_id;
	__u64 effective;
	__u64 permitted;
	__u64 inheritable;
	__u64 bytes; /* written to the target */
	__u32 target_pid;
	__u32 namespaces;   /* CLONE_NEW... */
	__u32 program_type; /* BPF_PROG_TYPE_... */
	__u32 path_notes;
	__u32 path_length;
	__u32 object_id;	       /* of a BPF object */
	char name[OBJECT_NAME_LENGTH]; /* of the target, the module, the host or the BPF object */
	__u64 value;  /* a signal, a resource, a clock, a command or a number of descriptors */
	__s64 time;   /* that a clock was set to, nanoseconds; 0 where it is not known */
	__u32 target; /* enum target */
	__u32 flags;  /* of the file that was received */
};

/* Maps: what the kernel knows of a session, by its key: the audit session id, or a number above
 * those. */
struct session {
	__u64 time;
	__u64 processes;
	__u32 uid;
	__u32 audit_session_id;
	__u32 pid;
	__u32 environment_sent;
	__u32 connection_pid;
	__u32 ended; /* set before its session_end is sent; the daemon removes the entry */
	__u32 login; /* enum login */
	__u32 jobs;  /* it has asked for some, or may have */
	struct endpoint local;
	struct endpoint remote;
	__u64 parent;
	__u64 began;
	__u64 lost[FAMILY_COUNT][LOSS_COUNT];
	__u64 families_excluded;      /* bits of enum family */
	__u64 excluded[FAMILY_COUNT]; /* how many events were */
	/* Of what is sent to a ring that is a quarter full: */
	__u64 rounds[FAMILY_COUNT]; /* of reading, in which it has last sent something, */
	__u64 sent[FAMILY_COUNT];   /* and how much since that began, bytes */
	__u64 changes;		    /* how often a process came or went */
};

/* The kernel's tables that have a share for each session and account, and the sizes of those whose
 * size the daemon sets. */
enum table {
	TABLE_SESSIONS,
	TABLE_PROCESSES,
	TABLE_SENDS,
	TABLE_CONNECTS,
	TABLE_REQUESTS,
	TABLE_TICKETS,
	TABLE_NAMES,
	TABLE_HELD,
	TABLE_JOBS,
	TABLE_UNITS,
	TABLE_COUNT,
};

/* A terminal of a session; 0 stands for all of them. */
struct terminal_key {
	__u64 session;
	__u64 terminal;
};

/* What may be recorded of a session, and what was left out of a terminal. */
struct terminal_state {
	__u64 time;	/* when that was counted last, microseconds since boot */
	__u64 budget;	/* bytes that may be sent by then */
	__u64 excluded; /* bytes left out since the last record */
};

/* A file of at or cron that a session has written. */
struct job_file {
	__u64 inode;
	__u32 device;
	__u32 unused;
};

/* Who has written it. */
struct job {
	__u64 session;
	__u32
	    generation; /* of the inode: it tells the file from a later one with the same number */
	__u32 unused;
};

/*
 * The beginning of a slot, in which a probe builds its record. The daemon reads it to learn how
 * old a record may be that has yet to reach its ring.
 */
struct claim {
	__u64 claims;
	__u64 time;
	__u64 session; /* for which it was claimed last */
	__u64 cpu;     /* where */
	__u64 unused[4];
};

/* Whose doing it is what a process does. */
enum role {
	ROLE_USER,   /* all it does is the user's doing */
	ROLE_BROKER, /* the login server's process of a login that has no other: only what it
			carries is */
	ROLE_SERVED, /* a child of a login server: whose doing it is will be seen */
};

/*
 * The environment variables to record: the first bytes of each, its name and `=`, and a mask of
 * those bytes. A mask of zero ends the list.
 */
struct variable {
	letters name[VARIABLE_WORDS];
	letters mask[VARIABLE_WORDS];
};

/* All of them. */
struct variables {
	struct variable wanted[VARIABLE_COUNT];
};

/* What a pattern of paths says. */
enum verdict {
	PATTERN_NONE, /* there is no pattern, and none behind it */
	PATTERN_EXCLUDED,
	PATTERN_KEPT,
	PATTERN_OTHER, /* it is of other paths */
};

/* The beginnings of paths: the first bytes, and a mask of those. */
struct pattern {
	letters begins[PATTERN_WORDS];
	letters mask[PATTERN_WORDS];
	__u32 length;
	__u32 whole;   /* the path has no more bytes */
	__u32 verdict; /* PATTERN_EXCLUDED or PATTERN_KEPT; PATTERN_NONE ends the list */
	__u32 unused;
};

/* What the config leaves out. */
struct rules {
	__u64 families;			/* bits of enum family */
	__u64 operations[FAMILY_COUNT]; /* bits of the family's operations */
	struct pattern patterns[PATTERN_COUNT];
};

/* A process of a session, or one that may turn out to be, by its process id. */
struct process {
	__u64 session;	    /* 0 if it is in none */
	__u64 command_time; /* of its last exec in the session; 0 if it had none */
	__u64 login;	    /* of a child of a login server, the key for a login without audit id */
	__u64 outer; /* the session that it was in before its own login; 0 if it was in none */
	__u8 role;
	__u8 emulated;		/* its calls can have been answered by a tracer */
	__u8 code_told;		/* that its program executes memory without a file */
	__u8 shares_memory;	/* its program has had threads, or processes in its memory */
	__u32 audit_session_id; /* these three as last seen; this is 0 if they never were */
	__u32 loginuid;
	struct ids ids;
	__u32 connecting; /* what tells the socket of a connect call that is told of; 0 if none */
	__u32 is_channel; /* a login server has begun it for a channel, and nothing is told of that
			     yet */
	__u32 unused;
};

/* A request to io_uring that is not complete. */
struct request {
	char record[REQUEST_LENGTH]; /* what is longer is sent at once, its end outcome_unknown */
	__u64 uid;		     /* whose share it is of */
};

/* A process that is stopped until what it did is taken. */
struct held {
	__u64 session;
	__u64 time;
	__u64 uid; /* whose share it is of */
};

/* How often the kernel has skipped one of its programs on one of its CPUs. */
struct missed {
	__u32 program; /* its id */
	__u32 cpu;
	__u64 count;
};

/* What the daemon does about the rings. */
enum reader {
	READER_ASLEEP, /* wake it for the next record */
	READER_TIMED,  /* it looks by itself; wake it when a ring is a quarter full */
	READER_WOKEN,  /* it is on its way */
};

/* What a look at a process finds. */
enum finding_kind {
	FINDING_PRESENT, /* it is in the table of processes, as it should */
	FINDING_MISSING, /* it was not, and is now */
	FINDING_CHANGED, /* its entry said something else, and does no more */
	FINDING_COUNTED, /* it was not counted among those whose ids end in the same bits, and is */
};

/* What it finds of which. */
struct finding {
	__u64 session;
	__u32 pid;
	__u32 kind;
};

/* One page shared with the daemon. */
struct control {
	__u64 reader;
	__u64 logins; /* bits of enum login that are noticed: none before every hook is attached */
	__u64 losses; /* counts up with every loss, so that one look tells whether there was any */
	__u64 sessions_full;	    /* logins that found no room in the table of sessions */
	__u64 processes_full;	    /* processes that found no room in the table of processes */
	__u64 round;		    /* how often the daemon has begun to read the rings */
	__u64 active[FAMILY_COUNT]; /* sessions that have sent something since, counted as for each
				       of them */
	__u64 silence;		    /* for how long sends to one peer are one event, nanoseconds */
	__u64 throttle;		    /* set if a process that fills a ring is to be stopped */
	__u64 held;		    /* counts up with every process that was stopped */
	__u64 found;	/* processes that were put into the table because they were there already */
	__u64 jobs;	/* set once a session has asked for some, or may have */
	__u64 unhooked; /* set while the ends of calls may not be seen: nobody is logged in */
	__u64 heard;	/* counts up with every call by which the daemon looks for its hook */
	__u64 crowded;	/* set once the seat of an awaited connect was taken */
	__u64 goes_without;	   /* set once a session may go without a family */
	__u64 mount_namespace;	   /* the host's, by its inode */
	__u64 rings[FAMILY_COUNT]; /* of the families, of enum ring_name */
	__u64 sizes[FAMILY_COUNT]; /* of the families' rings, bytes */
	__u64 spare_slots;	   /* the first of the slots that are of no CPU */
	__u64 copies;		   /* set where programs have copies at their hooks */
	__u64 cpus;		   /* that there can be */
	__u64 helper;		   /* the session that has named a program of the kernel's last */
	__u64 missing;		   /* a session with fewer entries of processes than it counts */
	__u64 adjust;		   /* the key of a session whose count of processes is wrong, */
	__u64 adjust_by;	   /* by how much, negative where it is too high, */
	__u64 adjust_changes;	   /* unless it has changed since */
	__u64 recorder[2];   /* the processes of the daemon and its guard; 0 if there is none */
	__u64 terminal_size; /* of the ring of terminals, bytes; 0 if none is recorded */
};

#endif
