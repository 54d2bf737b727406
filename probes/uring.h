/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* Rings of io_uring: their requests by number, and their fixed files. */
#ifndef URING_H
#define URING_H

#include "path.h"

/* io_open.file_slot counts from 1; the largest number lets the kernel choose. */
#define FILE_SLOT_ANY 0xffffffffU
/* The bits of a fixed file's address that are not address. */
#define FIXED_FILE_FLAGS 7UL

/*
 * Before 5.18 the end of a request tells its ring and the number that the program gave it, but not
 * the request. Programs may give several the same number: which one ends can't be told then.
 */
struct ticket {
	__u64 ring;
	__u64 number;
};

/* Whether the end of a request names it. */
static __always_inline int ends_are_named(void)
{
	return !bpf_core_type_exists(btf_trace_io_uring_complete___nameless);
}

/* The file that a request has put into a slot for fixed files, or behind a descriptor if that is 0.
 */
static __noinline struct file *installed_file(struct io_ring_ctx *ring, __u32 slot, int result)
{
	struct io_file_table___nodes *nodes = (void *)&ring->file_table;
	struct io_rsrc_node *node = NULL;
	struct io_fixed_file *file;
	unsigned long address = 0;

	if (!slot)
		return file_of(result);
	slot = slot == FILE_SLOT_ANY ? (__u32)result : slot - 1;
	if (bpf_core_field_exists(nodes->data)) {
		bpf_probe_read_kernel(&node, sizeof(node), BPF_CORE_READ(nodes, data.nodes) + slot);
		address = BPF_CORE_READ(node, file_ptr);
	} else {
		file = BPF_CORE_READ(ring, file_table.files);
		file += slot;
		address = BPF_CORE_READ(file, file_ptr);
	}
	return (struct file *)(address & ~FIXED_FILE_FLAGS);
}

#endif
