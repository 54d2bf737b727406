/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* From an address of the current process to what is mapped there. */
#ifndef VMA_H
#define VMA_H

#include "kernel.h"

/* The deepest that a tree of mappings can be: each level at least halves up to 65,530 of them. */
#define VMA_LEVELS 40

/* Of an entry of a maple tree (include/linux/maple_tree.h): a node, of which type, and where. */
#define MAPLE_NODE_MARK 2
#define MAPLE_NODE_MASK 255UL
#define MAPLE_TYPE(entry) ((entry) >> 3 & 15)
#define MAPLE_RANGE 2
#define MAPLE_ALLOCATION_RANGE 3

/* Mappings, and nodes too, are at even addresses: the bit tells that the entry is a mapping. */
#define VMA_FOUND 1UL

/* Of a user's address: what is above it may be a tag, which system calls leave out. */
#define ADDRESS_MASK ((1UL << 56) - 1)

/* Pivots that are read at once: a node has up to 15, and at least these. */
#define MAPLE_PIVOTS 8

/* How many of the pivots are below the address, from the first on. Behind the last one are zeros.
 */
static __always_inline __u64 pivots_below(__u64 *pivots, __u64 address, int is_first)
{
	__u64 place = 0;

#pragma unroll
	for (__u64 i = 0; i < MAPLE_PIVOTS; i++) {
		if (place == i && address > pivots[i] && (pivots[i] || (is_first && !i)))
			place++;
	}
	return place;
}

/* The entry of a node for the address: the first of which the pivot is not below it. Since 6.1 */
static __always_inline __u64 maple_step(__u64 entry, __u64 address)
{
	__u64 node = entry & ~MAPLE_NODE_MASK, below = 0, place;
	int is_allocation = MAPLE_TYPE(entry) == MAPLE_ALLOCATION_RANGE;
	__u64 pivots[MAPLE_PIVOTS] = {};
	void *from =
	    (void *)node + (is_allocation ? bpf_core_field_offset(struct maple_arange_64, pivot)
					  : bpf_core_field_offset(struct maple_range_64, pivot));

	bpf_probe_read_kernel(pivots, sizeof(pivots), from);
	place = pivots_below(pivots, address, 1);
	if (place == MAPLE_PIVOTS) {
		__builtin_memset(pivots, 0, sizeof(pivots));
		from += sizeof(pivots);
		if (is_allocation)
			bpf_probe_read_kernel(pivots,
					      bpf_core_field_size(struct maple_arange_64, pivot) -
						  sizeof(pivots),
					      from);
		else
			bpf_probe_read_kernel(pivots,
					      bpf_core_field_size(struct maple_range_64, pivot) -
						  sizeof(pivots),
					      from);
		place += pivots_below(pivots, address, 0);
	}
	node += is_allocation ? bpf_core_field_offset(struct maple_arange_64, slot)
			      : bpf_core_field_offset(struct maple_range_64, slot);
	bpf_probe_read_kernel(&below, sizeof(below), (void *)(node + place * sizeof(below)));
	return below && MAPLE_TYPE(entry) < MAPLE_RANGE ? below | VMA_FOUND : below;
}

static __always_inline __u64 tree_step(__u64 entry, __u64 address)
{
	struct rb_node *node = (void *)entry;
	struct vm_area_struct *vma =
	    (void *)node - bpf_core_field_offset(struct vm_area_struct___before_6_1, vm_rb);

	if (address < BPF_CORE_READ(vma, vm_start))
		return (__u64)BPF_CORE_READ(node, rb_left);
	if (address >= BPF_CORE_READ(vma, vm_end))
		return (__u64)BPF_CORE_READ(node, rb_right);
	return (__u64)vma | VMA_FOUND;
}

/* The entry below `entry` on the way to the mapping. */
__u64 vma_step(__u64 entry, __u64 address)
{
	if (bpf_core_type_exists(struct maple_tree))
		return maple_step(entry, address);
	return tree_step(entry, address);
}

/* The mapping as a number, or 0 where there is none. */
__u64 vma_at(__u64 address)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = BPF_CORE_READ(task, mm);
	struct mm_struct___before_6_1 *before_6_1 = (void *)mm;
	__u64 entry;

	address &= ADDRESS_MASK;
	if (bpf_core_type_exists(struct maple_tree)) {
		entry = (__u64)BPF_CORE_READ(mm, mm_mt.ma_root);
		if (!(entry & MAPLE_NODE_MARK))
			return 0;
	} else {
		entry = (__u64)BPF_CORE_READ(before_6_1, mm_rb.rb_node);
	}
	/* Unrolled in part: the verifier goes through each round. */
#pragma unroll 8
	for (int i = 0; i < VMA_LEVELS && entry && !(entry & VMA_FOUND); i++)
		entry = vma_step(entry, address);
	return entry & VMA_FOUND ? entry & ~VMA_FOUND : 0;
}

#endif
