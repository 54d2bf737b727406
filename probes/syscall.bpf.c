/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The one hook that the ends of all system calls pass. A tracepoint for each call would cost the
 * others as much: with any of them, the kernel takes its slow way in every call. And the one that
 * those of 32 bits pass, where each of the others has its own.
 */
#include "ring.h"
#include "syscall.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, __u32);
} dispatch SEC(".maps"), dispatch_compat SEC(".maps");

/* Nothing looks at its end. */
#define NO_CALL (-1)

/* The number of the call that is over; what looks at it is run in the program's place. */
static __always_inline long number_over(__u64 *context)
{
	long number = number_given((void *)context[0]);

	/* Almost all calls of a host are told by the table to be none of 32 bits that counts. */
	return may_be_compat(number) ? native_number(number) : number;
}

SEC("tp_btf/sys_exit")
int syscall_exit(__u64 *context)
{
	long number = NO_CALL;

	LEAD(PROBE_SYSCALL_EXIT, number = number_over(context));
	bpf_tail_call(context, &dispatch, number);
	return 0;
}

SEC("tp_btf/sys_exit")
int syscall_exit_again(__u64 *context)
{
	long number = NO_CALL;

	FOLLOW(PROBE_SYSCALL_EXIT, number = number_over(context));
	bpf_tail_call(context, &dispatch, number);
	return 0;
}

/* At the end of the one call by which the daemon learns whether the hook is at work. */
SEC("tp_btf/sys_exit")
int syscall_heard(__u64 *context)
{
	struct control *control = shared();

	(void)context;
	if (control)
		__sync_fetch_and_add(&control->heard, 1);
	return 0;
}

/*
 * Or do_el0_svc_compat of arm64. What exits in there never comes back, and the kernel keeps the
 * page of machine code that leads here for its sake, also when we are gone.
 */
SEC("fexit/ia32_sys_call")
int compat_exit(__u64 *context)
{
	long number = NO_CALL;

	LEAD(PROBE_COMPAT_EXIT, number = native_number(number_given(user_registers())));
	bpf_tail_call(context, &dispatch_compat, number);
	return 0;
}

SEC("fexit/ia32_sys_call")
int compat_exit_again(__u64 *context)
{
	long number = NO_CALL;

	FOLLOW(PROBE_COMPAT_EXIT, number = native_number(number_given(user_registers())));
	bpf_tail_call(context, &dispatch_compat, number);
	return 0;
}
