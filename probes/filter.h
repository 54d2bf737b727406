/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* What the config leaves out: counted by session and family, and never sent. */
#ifndef FILTER_H
#define FILTER_H

#include "ring.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rules);
} rules SEC(".maps");

/*
 * Bits of enum family that are left out, of users for whom it is not as for all others. The daemon
 * gives it the size: kernels before 6.1 warn of a table that takes memory as it grows.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} users SEC(".maps");

static __always_inline struct rules *all_rules(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&rules, &zero);
}

/* What a session of this user goes without. */
static __always_inline __u64 families_excluded(__u32 uid)
{
	__u64 *of_user = bpf_map_lookup_elem(&users, &uid);
	struct rules *rules = all_rules();

	if (of_user)
		return *of_user;
	return rules ? rules->families : 0;
}

static __noinline int count_excluded(__u64 key, __u32 family)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);

	if (session && family < FAMILY_COUNT)
		__sync_fetch_and_add(&session->excluded[family], 1);
	return 0;
}

/* Whether the session goes without the family; then one more of it is counted. */
static __noinline int family_excluded(__u64 key, __u32 family)
{
	struct control *control = shared();
	struct session *session;

	if (!control || !control->goes_without)
		return 0;
	session = bpf_map_lookup_elem(&sessions, &key);
	if (!session || !(session->families_excluded & 1ULL << (family & 63)))
		return 0;
	return !count_excluded(key, family);
}

static __noinline int operation_excluded(__u64 key, __u32 family, __u32 operation)
{
	struct rules *rules = all_rules();

	if (!rules || family >= FAMILY_COUNT ||
	    !(rules->operations[family] & 1ULL << (operation & 63)))
		return 0;
	return !count_excluded(key, family);
}

/* The first event's claim of a slot, if its family is wanted. */
static __always_inline struct slot *record_begin(__u64 session, __u32 family, __u32 kind,
						 __u32 length)
{
	if (family_excluded(session, family))
		return NULL;
	return record_claim(session, family, kind, length);
}

/* What a pattern says of the path of the file operation in the slot. */
int pattern_verdict(__u32 index, __u64 number)
{
	struct slot *slot = slot_at(index);
	struct rules *rules = all_rules();
	struct pattern *pattern;
	struct disk *disk;
	__u64 *path;
	__u32 length;

	if (!slot || !rules || number >= PATTERN_COUNT)
		return PATTERN_OTHER;
	pattern = &rules->patterns[number];
	disk = (struct disk *)slot->record;
	length = disk->lengths[DISK_PATH];
	if (length < pattern->length || (pattern->whole && length != pattern->length))
		return PATTERN_OTHER;
	path = (__u64 *)(slot->record + sizeof(*disk));
#pragma unroll
	for (int word = 0; word < PATTERN_WORDS; word++) {
		if ((path[word] & pattern->mask[word]) != pattern->begins[word])
			return PATTERN_OTHER;
	}
	return pattern->verdict;
}

/*
 * Whether the current process sees the tree of mounts that the config speaks of. In one of their
 * own, users can put anything anywhere.
 */
static __noinline int is_in_tree_of_host(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct control *control = shared();

	return control && BPF_CORE_READ(task, nsproxy, mnt_ns, ns.inum) == control->mount_namespace;
}

/*
 * Whether the file operation in the slot is left out for its path. A path that ends in what was
 * requested may lead elsewhere, and one of two may be another's, so that these never are.
 */
static __noinline int path_excluded(__u64 key, __u32 index)
{
	struct slot *slot = slot_at(index);
	struct disk *disk;

	if (!slot)
		return 0;
	disk = (struct disk *)slot->record;
	if (disk->path_notes & (PATH_CUT | PATH_RELATIVE | PATH_REQUESTED) ||
	    disk->lengths[DISK_TARGET] || disk->lengths[DISK_TARGET_REQUESTED])
		return 0;
	for (__u64 number = 0; number < PATTERN_COUNT; number++) {
		int verdict = pattern_verdict(index, number);

		if (verdict == PATTERN_EXCLUDED)
			return is_in_tree_of_host() && !count_excluded(key, FAMILY_DISK);
		if (verdict != PATTERN_OTHER)
			break;
	}
	return 0;
}

#endif
