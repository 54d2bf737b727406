/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * The one hook that the ends of all system calls pass. A tracepoint for each call would cost the
 * others as much: with any of them, the kernel takes its slow way in every call.
 */
#include "syscall.h"

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 512);
	__type(key, __u32);
	__type(value, __u32);
} dispatch SEC(".maps");

SEC("tp_btf/sys_exit")
int syscall_exit(__u64 *context)
{
	bpf_tail_call(context, &dispatch, number_given(context));
	return 0;
}
