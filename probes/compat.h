/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Calls of 32 bits on a 64-bit kernel of x86, which its 32-bit programs make, and others by int
 * 0x80: the number by which 64-bit programs make the same call, and where its arguments are.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include "kernel.h"

/* What the arguments are, as against those of the same call of 64 bits. */
enum compat_form {
	NO_CALL,
	AS_THEY_ARE, /* but of 32 bits, each in a register */
	SIGNED,	     /* the second one has a sign */
	SPLIT,	     /* the second one is in two registers, its lower half in front */
	ALONE,	     /* there is only one */
	IDS,	     /* all are of 16 bits */
	OWNER,	     /* the same, but for the first one */
	AT_FIRST,    /* in memory, at the place in the first register */
	AT_SECOND,   /* the same of the second register, behind the number of the call */
	ATTACH,	     /* those of ipc */
	SEVERAL,     /* more than one call: the first register tells which */
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
static const struct compat_call compat_calls[COMPAT_CALLS] = {
    [5] = {2, AS_THEY_ARE},    /* open */
    [8] = {85, AS_THEY_ARE},   /* creat */
    [9] = {86, AS_THEY_ARE},   /* link */
    [10] = {87, AS_THEY_ARE},  /* unlink */
    [11] = {59, AS_THEY_ARE},  /* execve */
    [14] = {133, AS_THEY_ARE}, /* mknod */
    [15] = {90, AS_THEY_ARE},  /* chmod */
    [16] = {94, OWNER},	       /* lchown */
    [21] = {165, AS_THEY_ARE}, /* mount */
    [22] = {166, ALONE},       /* umount */
    [23] = {105, IDS},	       /* setuid */
    [26] = {101, AS_THEY_ARE}, /* ptrace */
    [38] = {82, AS_THEY_ARE},  /* rename */
    [39] = {83, AS_THEY_ARE},  /* mkdir */
    [40] = {84, AS_THEY_ARE},  /* rmdir */
    [46] = {106, IDS},	       /* setgid */
    [52] = {166, AS_THEY_ARE}, /* umount2 */
    [61] = {161, AS_THEY_ARE}, /* chroot */
    [70] = {113, IDS},	       /* setreuid */
    [71] = {114, IDS},	       /* setregid */
    [83] = {88, AS_THEY_ARE},  /* symlink */
    [90] = {9, AT_FIRST},      /* mmap */
    [92] = {76, SIGNED},       /* truncate */
    [93] = {77, SIGNED},       /* ftruncate */
    [94] = {91, AS_THEY_ARE},  /* fchmod */
    [95] = {93, OWNER},	       /* fchown */
    [SOCKETCALL] = {0, SEVERAL},
    [IPC] = {0, SEVERAL},
    [120] = {56, AS_THEY_ARE},		   /* clone */
    [125] = {10, AS_THEY_ARE},		   /* mprotect */
    [128] = {175, AS_THEY_ARE},		   /* init_module */
    [129] = {176, AS_THEY_ARE},		   /* delete_module */
    [164] = {117, IDS},			   /* setresuid */
    [170] = {119, IDS},			   /* setresgid */
    [182] = {92, OWNER},		   /* chown */
    [185] = {126, AS_THEY_ARE},		   /* capset */
    [190] = {58, AS_THEY_ARE},		   /* vfork */
    [192] = {9, AS_THEY_ARE},		   /* mmap2 */
    [193] = {76, SPLIT},		   /* truncate64 */
    [194] = {77, SPLIT},		   /* ftruncate64 */
    [198] = {94, AS_THEY_ARE},		   /* lchown32 */
    [203] = {113, AS_THEY_ARE},		   /* setreuid32 */
    [204] = {114, AS_THEY_ARE},		   /* setregid32 */
    [207] = {93, AS_THEY_ARE},		   /* fchown32 */
    [208] = {117, AS_THEY_ARE},		   /* setresuid32 */
    [210] = {119, AS_THEY_ARE},		   /* setresgid32 */
    [212] = {92, AS_THEY_ARE},		   /* chown32 */
    [213] = {105, AS_THEY_ARE},		   /* setuid32 */
    [214] = {106, AS_THEY_ARE},		   /* setgid32 */
    [217] = {155, AS_THEY_ARE},		   /* pivot_root */
    [226] = {188, AS_THEY_ARE},		   /* setxattr */
    [227] = {189, AS_THEY_ARE},		   /* lsetxattr */
    [228] = {190, AS_THEY_ARE},		   /* fsetxattr */
    [235] = {197, AS_THEY_ARE},		   /* removexattr */
    [236] = {198, AS_THEY_ARE},		   /* lremovexattr */
    [237] = {199, AS_THEY_ARE},		   /* fremovexattr */
    [283] = {246, AS_THEY_ARE},		   /* kexec_load */
    [295] = {257, AS_THEY_ARE},		   /* openat */
    [296] = {258, AS_THEY_ARE},		   /* mkdirat */
    [297] = {259, AS_THEY_ARE},		   /* mknodat */
    [298] = {260, AS_THEY_ARE},		   /* fchownat */
    [301] = {263, AS_THEY_ARE},		   /* unlinkat */
    [302] = {264, AS_THEY_ARE},		   /* renameat */
    [303] = {265, AS_THEY_ARE},		   /* linkat */
    [304] = {266, AS_THEY_ARE},		   /* symlinkat */
    [306] = {268, AS_THEY_ARE},		   /* fchmodat */
    [310] = {272, AS_THEY_ARE},		   /* unshare */
    [342] = {304, AS_THEY_ARE},		   /* open_by_handle_at */
    [345] = {307, AS_THEY_ARE},		   /* sendmmsg */
    [346] = {308, AS_THEY_ARE},		   /* setns */
    [348] = {311, AS_THEY_ARE},		   /* process_vm_writev */
    [350] = {313, AS_THEY_ARE},		   /* finit_module */
    [353] = {316, AS_THEY_ARE},		   /* renameat2 */
    [357] = {321, AS_THEY_ARE},		   /* bpf */
    [358] = {322, AS_THEY_ARE},		   /* execveat */
    [359] = {41, AS_THEY_ARE},		   /* socket */
    [362] = {42, AS_THEY_ARE},		   /* connect */
    [363] = {50, AS_THEY_ARE},		   /* listen */
    [364] = {288, AS_THEY_ARE},		   /* accept4 */
    [369] = {44, AS_THEY_ARE},		   /* sendto */
    [370] = {46, AS_THEY_ARE},		   /* sendmsg */
    [380] = {329, AS_THEY_ARE},		   /* pkey_mprotect */
    [397] = {30, AS_THEY_ARE},		   /* shmat */
    [426] = {426, AS_THEY_ARE},		   /* io_uring_enter */
    [429] = {429, AS_THEY_ARE},		   /* move_mount */
    [435] = {435, AS_THEY_ARE},		   /* clone3 */
    [437] = {437, AS_THEY_ARE},		   /* openat2 */
    [452] = {452, AS_THEY_ARE},		   /* fchmodat2 */
    [463] = {463, AS_THEY_ARE},		   /* setxattrat */
    [466] = {466, AS_THEY_ARE},		   /* removexattrat */
    [SOCKETCALLS + 1] = {41, AT_SECOND},   /* socket */
    [SOCKETCALLS + 3] = {42, AT_SECOND},   /* connect */
    [SOCKETCALLS + 4] = {50, AT_SECOND},   /* listen */
    [SOCKETCALLS + 5] = {43, AT_SECOND},   /* accept */
    [SOCKETCALLS + 11] = {44, AT_SECOND},  /* sendto */
    [SOCKETCALLS + 16] = {46, AT_SECOND},  /* sendmsg */
    [SOCKETCALLS + 18] = {288, AT_SECOND}, /* accept4 */
    [SOCKETCALLS + 20] = {307, AT_SECOND}, /* sendmmsg */
    [IPC_CALLS + 21] = {30, ATTACH},	   /* shmat */
};

/* Of user memory. */
static __always_inline __u32 word_at(__u64 from)
{
	__u32 word = 0;

	bpf_probe_read_user(&word, sizeof(word), (void *)from);
	return word;
}

/* The registers that arguments are in, from 0 to 5. */
static __noinline __u32 compat_register(struct pt_regs___x86 *registers, __u32 index)
{
	switch (index) {
	case 0:
		return BPF_CORE_READ(registers, bx);
	case 1:
		return BPF_CORE_READ(registers, cx);
	case 2:
		return BPF_CORE_READ(registers, dx);
	case 3:
		return BPF_CORE_READ(registers, si);
	case 4:
		return BPF_CORE_READ(registers, di);
	default:
		return BPF_CORE_READ(registers, bp);
	}
}

/* The place in the table of the call that is made. */
static __always_inline __u64 compat_place(struct pt_regs___x86 *registers)
{
	__u64 number = BPF_CORE_READ(registers, orig_ax);
	__u64 which;

	if (number >= SOCKETCALLS)
		return 0;
	if (number != SOCKETCALL && number != IPC)
		return number;
	which = (__u32)BPF_CORE_READ(registers, bx);
	if (number == IPC)
		which = (__u16)which;
	if (which >= SEVERAL_MOST)
		return 0;
	return which + (number == IPC ? IPC_CALLS : SOCKETCALLS);
}

/* The number of the same call of 64 bits, or 0 if it is none that is looked at. */
static __always_inline __u32 compat_number(struct pt_regs___x86 *registers)
{
	__u64 place = compat_place(registers);

	return place < COMPAT_CALLS ? compat_calls[place].number : 0;
}

/* The argument that the same call of 64 bits has at `index`. */
static __always_inline __u64 compat_argument(struct pt_regs___x86 *registers, __u32 index)
{
	__u64 place = compat_place(registers);
	__u64 value = compat_register(registers, index);

	if (place >= COMPAT_CALLS)
		return value;
	switch (compat_calls[place].form) {
	case SIGNED:
		return index == 1 ? (__u64)(__s32)value : value;
	case SPLIT:
		return index == 1 ? value | (__u64)BPF_CORE_READ(registers, dx) << 32 : value;
	case ALONE:
		return index ? 0 : value;
	case OWNER:
		if (!index)
			return value;
		/* fallthrough */
	case IDS:
		return (__u16)value == 0xffff ? 0xffffffff : (__u16)value;
	case AT_FIRST:
		return word_at((__u32)BPF_CORE_READ(registers, bx) + (__u64)index * sizeof(__u32));
	case AT_SECOND:
		return word_at((__u32)BPF_CORE_READ(registers, cx) + (__u64)index * sizeof(__u32));
	case ATTACH:
		/* The segment, the address, the flags; behind them where it was put. */
		switch (index) {
		case 0:
			return (__u32)BPF_CORE_READ(registers, cx);
		case 1:
			return (__u32)BPF_CORE_READ(registers, di);
		case 2:
			return value;
		default:
			return word_at((__u32)BPF_CORE_READ(registers, si));
		}
	default:
		return value;
	}
}

#endif
