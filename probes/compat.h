/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Calls of 32 bits on a 64-bit kernel: those of 32-bit programs, and on x86 of others by int 0x80.
 * For each, the number by which 64-bit programs make the same call, and where its arguments are.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include "task.h"

/* Where an argument is: in the registers that are counted from 0; what is below is the value. */
enum source {
	WORD = 0x7000,	 /* in one, */
	SIGNED = 0x7100, /* with a sign, */
	ID = 0x7200,	 /* of 16 bits, */
	PAIR = 0x7300,	 /* in this and the next, its lower half in front, */
	MEMORY = 0x7400, /* or at the place in one, counted in the upper half of the byte */
};

#define SOURCE_KIND 0x7f00
#define SOURCE_REGISTER 0xf

/* The word behind so many others at the place in a register. */
#define BEHIND(register, words) (MEMORY + ((words) << 4) + (register))

enum compat_form {
	NO_CALL,
	AS_THEY_ARE,
	ALONE,
	LENGTH,
	LENGTH_IN_PAIR,
	LENGTH_IN_EVEN_PAIR,
	IDS,
	OWNER,
	ARGUMENTS_AT_FIRST,
	ARGUMENTS_AT_SECOND, /* behind the number of the call */
	ATTACH,		     /* those of ipc */
	SEVERAL,	     /* more than one call: the first register tells which */
	HERE,
	HERE_CREAT,
	HERE_UNLINK,
	HERE_RMDIR,
	HERE_BOTH,
	HERE_SYMLINK,
	HERE_LCHOWN,
	HERE_CHOWN_OF_16,
	HERE_LCHOWN_OF_16,
	UNADDRESSED,
	VFORK,
};

/* For the verifier to see that no place is beyond: powers of two. */
#define FORMS 32
#define ARGUMENTS 8

/* What each argument of the call of 64 bits is. */
static const __s16 forms[FORMS][ARGUMENTS] = {
    [AS_THEY_ARE] = {WORD, WORD + 1, WORD + 2, WORD + 3, WORD + 4, WORD + 5},
    [ALONE] = {WORD},
    [LENGTH] = {WORD, SIGNED + 1},
    [LENGTH_IN_PAIR] = {WORD, PAIR + 1},
    [LENGTH_IN_EVEN_PAIR] = {WORD, PAIR + 2},
    [IDS] = {ID, ID + 1, ID + 2},
    [OWNER] = {WORD, ID + 1, ID + 2},
    [ARGUMENTS_AT_FIRST] = {BEHIND(0, 0), BEHIND(0, 1), BEHIND(0, 2), BEHIND(0, 3), BEHIND(0, 4),
			    BEHIND(0, 5)},
    [ARGUMENTS_AT_SECOND] = {BEHIND(1, 0), BEHIND(1, 1), BEHIND(1, 2), BEHIND(1, 3), BEHIND(1, 4),
			     BEHIND(1, 5)},
    /* The segment, the address, the flags; behind them where it was put. */
    [ATTACH] = {WORD + 1, WORD + 4, WORD + 2, BEHIND(3, 0)},
    /* Those of the call of 64 bits that counts from a folder. */
    [HERE] = {AT_FDCWD, WORD, WORD + 1, WORD + 2},
    [HERE_CREAT] = {AT_FDCWD, WORD, O_CREAT | O_WRONLY | O_TRUNC, WORD + 1},
    [HERE_UNLINK] = {AT_FDCWD, WORD},
    [HERE_RMDIR] = {AT_FDCWD, WORD, AT_REMOVEDIR},
    [HERE_BOTH] = {AT_FDCWD, WORD, AT_FDCWD, WORD + 1},
    [HERE_SYMLINK] = {WORD, AT_FDCWD, WORD + 1},
    [HERE_LCHOWN] = {AT_FDCWD, WORD, WORD + 1, WORD + 2, AT_SYMLINK_NOFOLLOW},
    [HERE_CHOWN_OF_16] = {AT_FDCWD, WORD, ID + 1, ID + 2},
    [HERE_LCHOWN_OF_16] = {AT_FDCWD, WORD, ID + 1, ID + 2, AT_SYMLINK_NOFOLLOW},
    [UNADDRESSED] = {WORD, WORD + 1, WORD + 2, WORD + 3},
    [VFORK] = {CLONE_VFORK | CLONE_VM | SIGCHLD},
};

struct compat_call {
	__u16 number;
	__u16 form;
};

#define SOCKETCALL 102
#define IPC 117
/* The calls that they are, by the number in the first register: behind all others in the table. */
#define SOCKETCALLS 512
#define IPC_CALLS 544
#define SEVERAL_MOST 32
#define COMPAT_CALLS (IPC_CALLS + SEVERAL_MOST)

/* By their number: those that are looked at (arch/x86/entry/syscalls/syscall_32.tbl). */
static const struct compat_call x86_calls[COMPAT_CALLS] = {
    [4] = {1, AS_THEY_ARE},	    /* write */
    [5] = {2, AS_THEY_ARE},	    /* open */
    [8] = {85, AS_THEY_ARE},	    /* creat */
    [9] = {86, AS_THEY_ARE},	    /* link */
    [10] = {87, AS_THEY_ARE},	    /* unlink */
    [11] = {59, AS_THEY_ARE},	    /* execve */
    [14] = {133, AS_THEY_ARE},	    /* mknod */
    [15] = {90, AS_THEY_ARE},	    /* chmod */
    [16] = {94, OWNER},		    /* lchown */
    [21] = {165, AS_THEY_ARE},	    /* mount */
    [22] = {166, ALONE},	    /* umount */
    [23] = {105, IDS},		    /* setuid */
    [25] = {164, AS_THEY_ARE},	    /* stime */
    [26] = {101, AS_THEY_ARE},	    /* ptrace */
    [38] = {82, AS_THEY_ARE},	    /* rename */
    [39] = {83, AS_THEY_ARE},	    /* mkdir */
    [40] = {84, AS_THEY_ARE},	    /* rmdir */
    [46] = {106, IDS},		    /* setgid */
    [51] = {163, AS_THEY_ARE},	    /* acct */
    [52] = {166, AS_THEY_ARE},	    /* umount2 */
    [61] = {161, AS_THEY_ARE},	    /* chroot */
    [70] = {113, IDS},		    /* setreuid */
    [71] = {114, IDS},		    /* setregid */
    [74] = {170, AS_THEY_ARE},	    /* sethostname */
    [79] = {164, AS_THEY_ARE},	    /* settimeofday */
    [83] = {88, AS_THEY_ARE},	    /* symlink */
    [88] = {169, AS_THEY_ARE},	    /* reboot */
    [90] = {9, ARGUMENTS_AT_FIRST}, /* mmap */
    [92] = {76, LENGTH},	    /* truncate */
    [93] = {77, LENGTH},	    /* ftruncate */
    [94] = {91, AS_THEY_ARE},	    /* fchmod */
    [95] = {93, OWNER},		    /* fchown */
    [SOCKETCALL] = {0, SEVERAL},
    [IPC] = {0, SEVERAL},
    [97] = {141, AS_THEY_ARE},			     /* setpriority */
    [103] = {103, AS_THEY_ARE},			     /* syslog */
    [120] = {56, AS_THEY_ARE},			     /* clone */
    [124] = {159, AS_THEY_ARE},			     /* adjtimex */
    [125] = {10, AS_THEY_ARE},			     /* mprotect */
    [128] = {175, AS_THEY_ARE},			     /* init_module */
    [129] = {176, AS_THEY_ARE},			     /* delete_module */
    [154] = {142, AS_THEY_ARE},			     /* sched_setparam */
    [156] = {144, AS_THEY_ARE},			     /* sched_setscheduler */
    [164] = {117, IDS},				     /* setresuid */
    [170] = {119, IDS},				     /* setresgid */
    [182] = {92, OWNER},			     /* chown */
    [185] = {126, AS_THEY_ARE},			     /* capset */
    [190] = {58, AS_THEY_ARE},			     /* vfork */
    [192] = {9, AS_THEY_ARE},			     /* mmap2 */
    [193] = {76, LENGTH_IN_PAIR},		     /* truncate64 */
    [194] = {77, LENGTH_IN_PAIR},		     /* ftruncate64 */
    [198] = {94, AS_THEY_ARE},			     /* lchown32 */
    [203] = {113, AS_THEY_ARE},			     /* setreuid32 */
    [204] = {114, AS_THEY_ARE},			     /* setregid32 */
    [207] = {93, AS_THEY_ARE},			     /* fchown32 */
    [208] = {117, AS_THEY_ARE},			     /* setresuid32 */
    [210] = {119, AS_THEY_ARE},			     /* setresgid32 */
    [212] = {92, AS_THEY_ARE},			     /* chown32 */
    [213] = {105, AS_THEY_ARE},			     /* setuid32 */
    [214] = {106, AS_THEY_ARE},			     /* setgid32 */
    [217] = {155, AS_THEY_ARE},			     /* pivot_root */
    [226] = {188, AS_THEY_ARE},			     /* setxattr */
    [227] = {189, AS_THEY_ARE},			     /* lsetxattr */
    [228] = {190, AS_THEY_ARE},			     /* fsetxattr */
    [235] = {197, AS_THEY_ARE},			     /* removexattr */
    [236] = {198, AS_THEY_ARE},			     /* lremovexattr */
    [237] = {199, AS_THEY_ARE},			     /* fremovexattr */
    [241] = {203, AS_THEY_ARE},			     /* sched_setaffinity */
    [264] = {227, AS_THEY_ARE},			     /* clock_settime */
    [283] = {246, AS_THEY_ARE},			     /* kexec_load */
    [289] = {251, AS_THEY_ARE},			     /* ioprio_set */
    [295] = {257, AS_THEY_ARE},			     /* openat */
    [296] = {258, AS_THEY_ARE},			     /* mkdirat */
    [297] = {259, AS_THEY_ARE},			     /* mknodat */
    [298] = {260, AS_THEY_ARE},			     /* fchownat */
    [301] = {263, AS_THEY_ARE},			     /* unlinkat */
    [302] = {264, AS_THEY_ARE},			     /* renameat */
    [303] = {265, AS_THEY_ARE},			     /* linkat */
    [304] = {266, AS_THEY_ARE},			     /* symlinkat */
    [306] = {268, AS_THEY_ARE},			     /* fchmodat */
    [310] = {272, AS_THEY_ARE},			     /* unshare */
    [340] = {302, AS_THEY_ARE},			     /* prlimit64 */
    [342] = {304, AS_THEY_ARE},			     /* open_by_handle_at */
    [343] = {305, AS_THEY_ARE},			     /* clock_adjtime */
    [345] = {307, AS_THEY_ARE},			     /* sendmmsg */
    [346] = {308, AS_THEY_ARE},			     /* setns */
    [348] = {311, AS_THEY_ARE},			     /* process_vm_writev */
    [350] = {313, AS_THEY_ARE},			     /* finit_module */
    [351] = {314, AS_THEY_ARE},			     /* sched_setattr */
    [353] = {316, AS_THEY_ARE},			     /* renameat2 */
    [357] = {321, AS_THEY_ARE},			     /* bpf */
    [358] = {322, AS_THEY_ARE},			     /* execveat */
    [359] = {41, AS_THEY_ARE},			     /* socket */
    [362] = {42, AS_THEY_ARE},			     /* connect */
    [363] = {50, AS_THEY_ARE},			     /* listen */
    [364] = {288, AS_THEY_ARE},			     /* accept4 */
    [369] = {44, AS_THEY_ARE},			     /* sendto */
    [370] = {46, AS_THEY_ARE},			     /* sendmsg */
    [380] = {329, AS_THEY_ARE},			     /* pkey_mprotect */
    [397] = {30, AS_THEY_ARE},			     /* shmat */
    [404] = {227, AS_THEY_ARE},			     /* clock_settime64 */
    [405] = {305, AS_THEY_ARE},			     /* clock_adjtime64 */
    [426] = {426, AS_THEY_ARE},			     /* io_uring_enter */
    [428] = {428, AS_THEY_ARE},			     /* open_tree */
    [429] = {429, AS_THEY_ARE},			     /* move_mount */
    [432] = {432, AS_THEY_ARE},			     /* fsmount */
    [433] = {433, AS_THEY_ARE},			     /* fspick */
    [435] = {435, AS_THEY_ARE},			     /* clone3 */
    [437] = {437, AS_THEY_ARE},			     /* openat2 */
    [438] = {438, AS_THEY_ARE},			     /* pidfd_getfd */
    [440] = {440, AS_THEY_ARE},			     /* process_madvise */
    [442] = {442, AS_THEY_ARE},			     /* mount_setattr */
    [452] = {452, AS_THEY_ARE},			     /* fchmodat2 */
    [463] = {463, AS_THEY_ARE},			     /* setxattrat */
    [466] = {466, AS_THEY_ARE},			     /* removexattrat */
    [467] = {467, AS_THEY_ARE},			     /* open_tree_attr */
    [SOCKETCALLS + 1] = {41, ARGUMENTS_AT_SECOND},   /* socket */
    [SOCKETCALLS + 3] = {42, ARGUMENTS_AT_SECOND},   /* connect */
    [SOCKETCALLS + 4] = {50, ARGUMENTS_AT_SECOND},   /* listen */
    [SOCKETCALLS + 5] = {43, ARGUMENTS_AT_SECOND},   /* accept */
    [SOCKETCALLS + 11] = {44, ARGUMENTS_AT_SECOND},  /* sendto */
    [SOCKETCALLS + 16] = {46, ARGUMENTS_AT_SECOND},  /* sendmsg */
    [SOCKETCALLS + 18] = {288, ARGUMENTS_AT_SECOND}, /* accept4 */
    [SOCKETCALLS + 20] = {307, ARGUMENTS_AT_SECOND}, /* sendmmsg */
    [IPC_CALLS + 21] = {30, ATTACH},		     /* shmat */
};

/* The same of the EABI of arm (arch/arm/tools/syscall.tbl). */
static const struct compat_call arm_calls[SOCKETCALLS] = {
    [4] = {64, AS_THEY_ARE},	       /* write */
    [5] = {56, HERE},		       /* open */
    [8] = {56, HERE_CREAT},	       /* creat */
    [9] = {37, HERE_BOTH},	       /* link */
    [10] = {35, HERE_UNLINK},	       /* unlink */
    [11] = {221, AS_THEY_ARE},	       /* execve */
    [14] = {33, HERE},		       /* mknod */
    [15] = {53, HERE},		       /* chmod */
    [16] = {54, HERE_LCHOWN_OF_16},    /* lchown */
    [21] = {40, AS_THEY_ARE},	       /* mount */
    [23] = {146, IDS},		       /* setuid */
    [26] = {117, AS_THEY_ARE},	       /* ptrace */
    [38] = {38, HERE_BOTH},	       /* rename */
    [39] = {34, HERE},		       /* mkdir */
    [40] = {35, HERE_RMDIR},	       /* rmdir */
    [46] = {144, IDS},		       /* setgid */
    [51] = {89, AS_THEY_ARE},	       /* acct */
    [52] = {39, AS_THEY_ARE},	       /* umount2 */
    [61] = {51, AS_THEY_ARE},	       /* chroot */
    [70] = {145, IDS},		       /* setreuid */
    [71] = {143, IDS},		       /* setregid */
    [74] = {161, AS_THEY_ARE},	       /* sethostname */
    [79] = {170, AS_THEY_ARE},	       /* settimeofday */
    [83] = {36, HERE_SYMLINK},	       /* symlink */
    [88] = {142, AS_THEY_ARE},	       /* reboot */
    [92] = {45, LENGTH},	       /* truncate */
    [93] = {46, LENGTH},	       /* ftruncate */
    [94] = {52, AS_THEY_ARE},	       /* fchmod */
    [95] = {55, OWNER},		       /* fchown */
    [97] = {140, AS_THEY_ARE},	       /* setpriority */
    [103] = {116, AS_THEY_ARE},	       /* syslog */
    [120] = {220, AS_THEY_ARE},	       /* clone */
    [124] = {171, AS_THEY_ARE},	       /* adjtimex */
    [125] = {226, AS_THEY_ARE},	       /* mprotect */
    [128] = {105, AS_THEY_ARE},	       /* init_module */
    [129] = {106, AS_THEY_ARE},	       /* delete_module */
    [154] = {118, AS_THEY_ARE},	       /* sched_setparam */
    [156] = {119, AS_THEY_ARE},	       /* sched_setscheduler */
    [164] = {147, IDS},		       /* setresuid */
    [170] = {149, IDS},		       /* setresgid */
    [182] = {54, HERE_CHOWN_OF_16},    /* chown */
    [185] = {91, AS_THEY_ARE},	       /* capset */
    [190] = {220, VFORK},	       /* vfork */
    [192] = {222, AS_THEY_ARE},	       /* mmap2 */
    [193] = {45, LENGTH_IN_EVEN_PAIR}, /* truncate64 */
    [194] = {46, LENGTH_IN_EVEN_PAIR}, /* ftruncate64 */
    [198] = {54, HERE_LCHOWN},	       /* lchown32 */
    [203] = {145, AS_THEY_ARE},	       /* setreuid32 */
    [204] = {143, AS_THEY_ARE},	       /* setregid32 */
    [207] = {55, AS_THEY_ARE},	       /* fchown32 */
    [208] = {147, AS_THEY_ARE},	       /* setresuid32 */
    [210] = {149, AS_THEY_ARE},	       /* setresgid32 */
    [212] = {54, HERE},		       /* chown32 */
    [213] = {146, AS_THEY_ARE},	       /* setuid32 */
    [214] = {144, AS_THEY_ARE},	       /* setgid32 */
    [218] = {41, AS_THEY_ARE},	       /* pivot_root */
    [226] = {5, AS_THEY_ARE},	       /* setxattr */
    [227] = {6, AS_THEY_ARE},	       /* lsetxattr */
    [228] = {7, AS_THEY_ARE},	       /* fsetxattr */
    [235] = {14, AS_THEY_ARE},	       /* removexattr */
    [236] = {15, AS_THEY_ARE},	       /* lremovexattr */
    [237] = {16, AS_THEY_ARE},	       /* fremovexattr */
    [241] = {122, AS_THEY_ARE},	       /* sched_setaffinity */
    [262] = {112, AS_THEY_ARE},	       /* clock_settime */
    [281] = {198, AS_THEY_ARE},	       /* socket */
    [283] = {203, AS_THEY_ARE},	       /* connect */
    [284] = {201, AS_THEY_ARE},	       /* listen */
    [285] = {202, AS_THEY_ARE},	       /* accept */
    [289] = {206, UNADDRESSED},	       /* send */
    [290] = {206, AS_THEY_ARE},	       /* sendto */
    [296] = {211, AS_THEY_ARE},	       /* sendmsg */
    [305] = {196, AS_THEY_ARE},	       /* shmat */
    [314] = {30, AS_THEY_ARE},	       /* ioprio_set */
    [322] = {56, AS_THEY_ARE},	       /* openat */
    [323] = {34, AS_THEY_ARE},	       /* mkdirat */
    [324] = {33, AS_THEY_ARE},	       /* mknodat */
    [325] = {54, AS_THEY_ARE},	       /* fchownat */
    [328] = {35, AS_THEY_ARE},	       /* unlinkat */
    [329] = {38, AS_THEY_ARE},	       /* renameat */
    [330] = {37, AS_THEY_ARE},	       /* linkat */
    [331] = {36, AS_THEY_ARE},	       /* symlinkat */
    [333] = {53, AS_THEY_ARE},	       /* fchmodat */
    [337] = {97, AS_THEY_ARE},	       /* unshare */
    [347] = {104, AS_THEY_ARE},	       /* kexec_load */
    [366] = {242, AS_THEY_ARE},	       /* accept4 */
    [369] = {261, AS_THEY_ARE},	       /* prlimit64 */
    [371] = {265, AS_THEY_ARE},	       /* open_by_handle_at */
    [372] = {266, AS_THEY_ARE},	       /* clock_adjtime */
    [374] = {269, AS_THEY_ARE},	       /* sendmmsg */
    [375] = {268, AS_THEY_ARE},	       /* setns */
    [377] = {271, AS_THEY_ARE},	       /* process_vm_writev */
    [379] = {273, AS_THEY_ARE},	       /* finit_module */
    [380] = {274, AS_THEY_ARE},	       /* sched_setattr */
    [382] = {276, AS_THEY_ARE},	       /* renameat2 */
    [386] = {280, AS_THEY_ARE},	       /* bpf */
    [387] = {281, AS_THEY_ARE},	       /* execveat */
    [394] = {288, AS_THEY_ARE},	       /* pkey_mprotect */
    [401] = {294, AS_THEY_ARE},	       /* kexec_file_load */
    [404] = {112, AS_THEY_ARE},	       /* clock_settime64 */
    [405] = {266, AS_THEY_ARE},	       /* clock_adjtime64 */
    [426] = {426, AS_THEY_ARE},	       /* io_uring_enter */
    [428] = {428, AS_THEY_ARE},	       /* open_tree */
    [429] = {429, AS_THEY_ARE},	       /* move_mount */
    [432] = {432, AS_THEY_ARE},	       /* fsmount */
    [433] = {433, AS_THEY_ARE},	       /* fspick */
    [435] = {435, AS_THEY_ARE},	       /* clone3 */
    [437] = {437, AS_THEY_ARE},	       /* openat2 */
    [438] = {438, AS_THEY_ARE},	       /* pidfd_getfd */
    [440] = {440, AS_THEY_ARE},	       /* process_madvise */
    [442] = {442, AS_THEY_ARE},	       /* mount_setattr */
    [452] = {452, AS_THEY_ARE},	       /* fchmodat2 */
    [463] = {463, AS_THEY_ARE},	       /* setxattrat */
    [466] = {466, AS_THEY_ARE},	       /* removexattrat */
    [467] = {467, AS_THEY_ARE},	       /* open_tree_attr */
};

/* Of user memory. */
static __always_inline __u32 word_at(__u64 from)
{
	__u32 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)from);
	return word;
}

/* The registers that arguments are in, from 0 to 5; the first one as it was given. */
static __noinline __u32 compat_register(struct pt_regs *registers, __u32 index)
{
	struct pt_regs___arm64 *arm64 = (void *)registers;
	struct pt_regs___x86 *x86 = (void *)registers;
	__u64 value = 0;

	if (bpf_core_field_exists(arm64->orig_x0)) {
		if (!index)
			return BPF_CORE_READ(arm64, orig_x0);
		bpf_probe_read_kernel(&value, sizeof(value), &arm64->regs[index & SOURCE_REGISTER]);
		return value;
	}
	switch (index) {
	case 0:
		return BPF_CORE_READ(x86, bx);
	case 1:
		return BPF_CORE_READ(x86, cx);
	case 2:
		return BPF_CORE_READ(x86, dx);
	case 3:
		return BPF_CORE_READ(x86, si);
	case 4:
		return BPF_CORE_READ(x86, di);
	default:
		return BPF_CORE_READ(x86, bp);
	}
}

/* The entry in the table of the call that is made as `number`, by what these are on this kernel. */
static __always_inline struct compat_call compat_call(struct pt_regs *registers, __u64 number)
{
	struct pt_regs___arm64 *arm64 = (void *)registers;
	struct pt_regs___x86 *x86 = (void *)registers;
	struct compat_call none = {};
	__u64 which;

	if (number >= SOCKETCALLS)
		return none;
	if (bpf_core_field_exists(arm64->syscallno))
		return arm_calls[number];
	if (number == SOCKETCALL || number == IPC) {
		which = (__u32)BPF_CORE_READ(x86, bx);
		if (number == IPC)
			which = (__u16)which;
		if (which >= SEVERAL_MOST)
			return none;
		number = which + (number == IPC ? IPC_CALLS : SOCKETCALLS);
	}
	return x86_calls[number];
}

/* Whether one that is made as `number` may be of 32 bits and looked at. */
static __always_inline int may_be_compat(__u64 number)
{
	struct pt_regs___arm64 *arm64 = NULL;

	if (number >= SOCKETCALLS)
		return 0;
	return bpf_core_field_exists(arm64->syscallno) ? arm_calls[number].form
						       : x86_calls[number].form;
}

/* The argument that the same call of 64 bits has at `index`. */
static __always_inline __u64 compat_argument(struct pt_regs *registers, __u64 number, __u32 index)
{
	struct compat_call call = compat_call(registers, number);
	__u64 value;
	__s32 source;

	source = forms[call.form & (FORMS - 1)][index & (ARGUMENTS - 1)];
	if (source < WORD)
		return source;
	value = compat_register(registers, source & SOURCE_REGISTER);
	switch (source & SOURCE_KIND) {
	case SIGNED:
		return (__s32)value;
	case ID:
		return (__u16)value == 0xffff ? 0xffffffff : (__u16)value;
	case PAIR:
		source = (source & SOURCE_REGISTER) + 1;
		return value | (__u64)compat_register(registers, source) << 32;
	case MEMORY:
		return word_at(value + (source >> 4 & SOURCE_REGISTER) * sizeof(__u32));
	default:
		return value;
	}
}

#endif
