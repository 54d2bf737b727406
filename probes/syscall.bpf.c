/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The one hook that the ends of all system calls pass. A tracepoint for each call would cost the
 * others as much: with any of them, the kernel takes its slow way in every call. And the one that
 * those of 32 bits pass, where each of the others has its own.
 */
#include "syscall.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, __u32);
} dispatch SEC(".maps"), dispatch_compat SEC(".maps");

/* As the thread has given it, from what the tracepoint is given: the saved registers and the
 * result.
 */
static __always_inline long number_given(__u64 *context)
{
	struct pt_regs___arm64 *arm64 = (void *)context[0];
	struct pt_regs___x86 *x86 = (void *)context[0];

	return bpf_core_field_exists(arm64->syscallno) ? arm64->syscallno : (long)x86->orig_ax;
}

SEC("tp_btf/sys_exit")
int syscall_exit(__u64 *context)
{
	__u64 number = number_given(context);

	/* Almost all calls of a host are told by the table to be none of 32 bits that counts. */
	if (number < SOCKETCALLS && compat_calls[number].form)
		number = native_number(number);
	bpf_tail_call(context, &dispatch, number);
	return 0;
}

/*
 * Of two arguments, the number is the second one. What exits in there never comes back, and the
 * kernel keeps the page of machine code that leads here for its sake, also when we are gone.
 */
SEC("fexit/ia32_sys_call")
int compat_exit(__u64 *context)
{
	bpf_tail_call(context, &dispatch_compat, native_number(context[1]));
	return 0;
}
