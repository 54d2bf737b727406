/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Calls of 32 bits on a 64-bit kernel: those of 32-bit programs, and on x86 of others by int 0x80.
 * For each, the number by which 64-bit programs make the same call, and where its arguments are.
 */
#ifndef COMPAT_H
#define COMPAT_H

#include "syscalls.h"
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

/* The calls that they are, by the number in the first register: behind all others in the table. */
#define SOCKETCALLS 512
#define IPC_CALLS 544
#define SEVERAL_MOST 32
#define COMPAT_CALLS (IPC_CALLS + SEVERAL_MOST)

/* By their number: those that are looked at, and their parts. */
static const struct compat_call x86_calls[COMPAT_CALLS] = {
    I386_CALLS
	/* From linux/net.h and linux/ipc.h. */
	[SOCKETCALLS + 1] = {X86_SOCKET, ARGUMENTS_AT_SECOND},
    [SOCKETCALLS + 3] = {X86_CONNECT, ARGUMENTS_AT_SECOND},
    [SOCKETCALLS + 4] = {X86_LISTEN, ARGUMENTS_AT_SECOND},
    [SOCKETCALLS + 5] = {X86_ACCEPT, ARGUMENTS_AT_SECOND},
    [SOCKETCALLS + 11] = {X86_SENDTO, ARGUMENTS_AT_SECOND},
    [SOCKETCALLS + 16] = {X86_SENDMSG, ARGUMENTS_AT_SECOND},
    [SOCKETCALLS + 18] = {X86_ACCEPT4, ARGUMENTS_AT_SECOND},
    [SOCKETCALLS + 20] = {X86_SENDMMSG, ARGUMENTS_AT_SECOND},
    [IPC_CALLS + 21] = {X86_SHMAT, ATTACH},
};

/* Those of the EABI of arm. */
static const struct compat_call arm_calls[SOCKETCALLS] = {ARM_CALLS};

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
	if (number == I386_SOCKETCALL || number == I386_IPC) {
		which = (__u32)BPF_CORE_READ(x86, bx);
		if (number == I386_IPC)
			which = (__u16)which;
		if (which >= SEVERAL_MOST)
			return none;
		number = which + (number == I386_IPC ? IPC_CALLS : SOCKETCALLS);
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
