/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * From a probe to the daemon: a slot to build a record in, the rings, and the count of what was
 * lost.
 */
#ifndef RING_H
#define RING_H

#include "kernel.h"
#include "abi.h"
#include "task.h"

/* See enum kernel_function. */
static void (*const program_preempt_disable)(void) = (void *)FUNCTION_PROGRAM_PREEMPT_DISABLE;
static void (*const program_preempt_enable)(void) = (void *)FUNCTION_PROGRAM_PREEMPT_ENABLE;
static void (*const irq_save)(unsigned long *flags) = (void *)FUNCTION_PROGRAM_IRQ_SAVE;
static void (*const irq_restore)(unsigned long *flags) = (void *)FUNCTION_PROGRAM_IRQ_RESTORE;
static void (*const preempt_disable)(void) = (void *)FUNCTION_PREEMPT_DISABLE;
static void (*const preempt_enable)(void) = (void *)FUNCTION_PREEMPT_ENABLE;

/*
 * Around all that a program does: it is not preempted in between, where the kernel would skip it
 * for everybody else on the CPU, and its claim be waited for.
 */
static __always_inline void run_begin(void)
{
	program_preempt_disable();
}

/* Among the first flags of a thread, on every architecture, is that another has to go before. */
static __always_inline int is_awaited(void)
{
	struct task_struct___arm64 *task = (void *)current_task();

	return IS_PLAIN && task->thread_info.flags & 0xff;
}

/*
 * The run counts for a little longer, and whoever has to go before must not do so here. With
 * interrupts off, the kernel does not look for them; it does so right behind the run.
 */
static __always_inline void run_end(void)
{
	unsigned long flags;

	if (!is_awaited()) {
		program_preempt_enable();
		return;
	}
	irq_save(&flags);
	program_preempt_enable();
	irq_restore(&flags);
}

/* A program that is nothing but this. */
#define RUN(statement)                                                                             \
	({                                                                                         \
		run_begin();                                                                       \
		statement;                                                                         \
		run_end();                                                                         \
		0;                                                                                 \
	})

/*
 * A task that is preempted keeps its slot for as long as the scheduler likes. So one session may
 * have so many at work on one CPU, an account so many of the CPU's own, and so many of the others;
 * who has none at work on the CPU finds one of those, unless the account has taken twice as many.
 */
#define SLOTS_PER_SESSION 3
#define SLOTS_PER_ACCOUNT 3
#define SPARE_PER_ACCOUNT (SPARE_SLOTS / 4)

/* Deep enough for the longest path that a name lookup can produce, twice over. */
#define WALK_MAX 8192
/* Names that a file system of FUSE gives can be as long as a path. */
#define NAME_LENGTH 4096

struct walk {
	struct dentry *dentry;
	struct mount *mount;
	struct dentry *mount_root;
	__u32 position; /* in slot.path, where the part walked so far begins */
	__u16 notes;
	__u16 trust; /* enum trust */
};

/* In which trees of mounts a path is whole, if it leads up to their root. */
enum trust {
	TRUST_OWN, /* that of the current process */
	TRUST_ANY, /* and those that nobody without rights has made */
};

/* Where the names lie that a record is built from. */
enum names {
	NAMES_OF_PROGRAM, /* in the memory of the process */
	NAMES_OF_KERNEL,
};

/*
 * A place to build one record. Since 5.11 a probe can be preempted by another on its CPU, so a
 * buffer per CPU is not enough: a slot is claimed.
 */
struct slot {
	struct claim claim;
	struct walk walk;
	__u32 index;
	__u32 length;	 /* of the record so far */
	__u32 names;	 /* enum names */
	__u64 requested; /* of a command: where in memory what was asked for instead of it is */
	char path[WALK_MAX + NAME_LENGTH];
	char record[RECORD_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, SLOTS_PER_CPU);
	__type(key, __u32);
	__type(value, struct slot);
} slots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct control);
} control SEC(".maps");

/* The daemon gives each ring the size that the config asks for. */
#define RING(name)                                                                                 \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                \
		__uint(max_entries, 65536);                                                        \
	} name SEC(".maps")

RING(session_ring);
RING(command_ring);
RING(disk_ring);
RING(network_ring);
RING(terminal_ring);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, struct session);
} sessions SEC(".maps");

/* Logins that found no room in the table of sessions, to count each once. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u32);
} refused SEC(".maps");

static __always_inline struct control *shared(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&control, &zero);
}

static __noinline void lose(__u64 key, __u32 family, __u32 loss)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	struct control *control = shared();

	if (session && family < FAMILY_COUNT && loss < LOSS_COUNT)
		__sync_fetch_and_add(&session->lost[family][loss], 1);
	if (control)
		__sync_fetch_and_add(&control->losses, 1);
}

/*
 * The bodies of loops are global functions: the verifier looks at those once, instead of at each
 * round anew. Their arguments can be nothing but numbers, so they find their slot by its index.
 */
static __always_inline struct slot *slot_at(__u32 index)
{
	return bpf_map_lookup_elem(&slots, &index);
}

/* Who did it. `helpers` if the kernel lets this kind of program ask for it; else it is read. */
static __noinline int record_actor(struct record *record, int helpers)
{
	struct task_struct *task = current_task();

	if (helpers) {
		record->cgroup_id = bpf_get_current_cgroup_id();
		record->pid = bpf_get_current_pid_tgid() >> 32;
		if (IS_PLAIN) {
			/* A helper takes ten times as long for these two words. */
			__u64 *program = (__u64 *)record->program;
			__u64 *comm = (__u64 *)task->comm;

			program[0] = comm[0];
			program[1] = comm[1];
		} else {
			bpf_get_current_comm(record->program, sizeof(record->program));
		}
	} else {
		record->cgroup_id = BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
		record->pid = member(task, tgid);
		BPF_CORE_READ_INTO(&record->program, task, comm);
	}
	record->audit_session_id = current_audit_session();
	record->via = 0;
	/* A thread that the kernel made for io_uring has a name of its own. */
	if (member(task, flags) & PF_IO_WORKER) {
		record->via = VIA_IO_URING;
		BPF_CORE_READ_INTO(&record->program, task, group_leader, comm);
	}
	return 0;
}

/*
 * Claims this slot, if nobody has. The claim is a plain atomic add, which 5.10 has too: a slot is
 * ours if ours is its only claim.
 */
static __always_inline int slot_take(struct slot *slot, __u64 session)
{
	__sync_fetch_and_add(&slot->claim.claims, 1);
	if (*(volatile __u64 *)&slot->claim.claims == 1) {
		*(volatile __u64 *)&slot->claim.time = bpf_ktime_get_boot_ns();
		slot->claim.session = session;
		slot->claim.cpu = bpf_get_smp_processor_id();
		slot->names = NAMES_OF_PROGRAM;
		return 1;
	}
	__sync_fetch_and_add(&slot->claim.claims, -1);
	return 0;
}

static __always_inline void slot_release(struct slot *slot)
{
	*(volatile __u64 *)&slot->claim.time = 0;
	__sync_fetch_and_add(&slot->claim.claims, -1);
}

/* What a session and its account have, as sums in one number. */
#define SHARE_SESSION 0
#define SHARE_ACCOUNT 8
#define SHARE_SPARE 16
#define share_of(shares, whose) ((shares) >> (whose)&0xff)

/* The slots that can be had on this CPU are counted from its own on: here is where each is. */
static __always_inline __u32 slot_place(__u32 number)
{
	struct control *control = shared();

	if (number < SLOTS_PER_CPU)
		return bpf_get_smp_processor_id() * SLOTS_PER_CPU + number;
	return control ? control->spare_slots + number - SLOTS_PER_CPU : 0;
}

/* What the slot of this number adds to it. */
__noinline __u64 slot_share(__u64 session, __u32 number)
{
	struct session *asking = bpf_map_lookup_elem(&sessions, &session);
	struct slot *slot = slot_at(slot_place(number));
	struct session *owner;
	__u64 share = 0;
	__u64 key;

	if (!slot || !*(volatile __u64 *)&slot->claim.claims)
		return 0;
	key = slot->claim.session;
	owner = bpf_map_lookup_elem(&sessions, &key);
	if (key == session && slot->claim.cpu == bpf_get_smp_processor_id())
		share = 1 << SHARE_SESSION;
	if (key == session || (owner && asking && owner->uid == asking->uid))
		share |= 1 << (number < SLOTS_PER_CPU ? SHARE_ACCOUNT : SHARE_SPARE);
	return share;
}

static __always_inline __u64 slot_shares(__u64 session)
{
	__u64 shares = 0;

#pragma nounroll
	for (__u32 number = 0; number < SLOTS_PER_CPU + SPARE_SLOTS; number++)
		shares += slot_share(session, number);
	return shares;
}

/* Whether the session may have one more, of the CPU's own or a spare one, beside such shares. */
static __always_inline int is_fair(__u64 shares, int is_spare)
{
	__u64 spare = share_of(shares, SHARE_SPARE);

	if (share_of(shares, SHARE_SESSION) >= SLOTS_PER_SESSION)
		return 0;
	if (!is_spare)
		return share_of(shares, SHARE_ACCOUNT) < SLOTS_PER_ACCOUNT;
	if (!share_of(shares, SHARE_SESSION))
		return spare < 2 * SPARE_PER_ACCOUNT;
	return spare < SPARE_PER_ACCOUNT;
}

/*
 * Claims the slot of this number, if nobody has and the session may have it beside such shares;
 * returns the number behind its index, or 0.
 */
__noinline __u32 slot_try(__u64 session, __u64 shares, __u32 number)
{
	__u32 index = slot_place(number);
	struct slot *slot = slot_at(index);

	if (!slot || !is_fair(shares, number >= SLOTS_PER_CPU) ||
	    *(volatile __u64 *)&slot->claim.claims || !slot_take(slot, session))
		return 0;
	return index + 1;
}

/*
 * Where the CPU's first slot is claimed: the number behind the index of another one, or 0, and
 * above that the slot's number.
 */
__noinline __u64 slot_other(__u64 session)
{
	__u64 shares = slot_shares(session);

#pragma nounroll
	for (__u32 number = 1; number < SLOTS_PER_CPU + SPARE_SLOTS; number++) {
		__u32 place = slot_try(session, shares, number);

		if (place)
			return (__u64)number << 32 | place;
	}
	return 0;
}

/*
 * Asks again behind that claim whether it is fair, since others can have been preempted between the
 * two, and gives it back where it is not. Returns the number behind the index, or 0.
 */
__noinline __u32 slot_keep(__u64 session, __u64 claimed)
{
	__u64 shares = slot_shares(session) - (1 << SHARE_SESSION);
	__u32 number = claimed >> 32, place = claimed;
	struct slot *slot = slot_at(place - 1);

	if (!slot)
		return 0;
	if (number < SLOTS_PER_CPU ? is_fair(shares - (1 << SHARE_ACCOUNT), 0)
				   : is_fair(shares - (1 << SHARE_SPARE), 1))
		return place;
	slot_release(slot);
	return 0;
}

/* A slot for what this session does, if there is one that is not needed by others. */
static __always_inline struct slot *slot_claim(__u64 session)
{
	struct slot *slot;
	__u64 claimed;
	__u32 index;

	index = bpf_get_smp_processor_id() * SLOTS_PER_CPU;
	slot = slot_at(index);
	if (!slot || !slot_take(slot, session)) {
		claimed = slot_other(session);
		index = claimed ? slot_keep(session, claimed) : 0;
		slot = index ? slot_at(--index) : NULL;
	}
	if (slot)
		slot->index = index;
	return slot;
}

/* A slot for a record; that there is none is counted. */
static __always_inline struct slot *slot_for(__u64 session, __u32 family)
{
	struct slot *slot = slot_claim(session);

	if (!slot)
		lose(session, family, LOSS_SLOTS_BUSY);
	return slot;
}

/* Starts a record in a slot. */
static __always_inline void record_start(struct slot *slot, __u64 session, __u32 kind, __u32 length,
					 int helpers)
{
	struct record *record = (struct record *)slot->record;

	record->time = slot->claim.time;
	slot->length = length;
	record->session = session;
	record->kind = kind;
	record_actor(record, helpers);
}

/* Starts a record in a slot of its own. */
static __always_inline struct slot *slot_begin(__u64 session, __u32 family, __u32 kind,
					       __u32 length, int helpers)
{
	struct slot *slot = slot_for(session, family);

	if (slot)
		record_start(slot, session, kind, length, helpers);
	return slot;
}

static __always_inline struct slot *record_claim(__u64 session, __u32 family, __u32 kind,
						 __u32 length)
{
	return slot_begin(session, family, kind, length, 1);
}

/*
 * Whether this record has to wake the daemon: for the first after a quiet spell, then only when
 * its ring is a quarter full, because a wake-up for each costs more than all the rest. What is
 * urgent is told at once: what sshd says of a login is soon gone.
 */
static __always_inline __u64 wakeup(__u64 used, __u64 size, int urgent)
{
	struct control *control = shared();

	if (!control || control->reader == READER_WOKEN)
		return BPF_RB_NO_WAKEUP;
	if (!urgent && control->reader == READER_TIMED && used < size / 4)
		return BPF_RB_NO_WAKEUP;
	control->reader = READER_WOKEN;
	return BPF_RB_FORCE_WAKEUP;
}

/*
 * Whether the session may use this much of a ring, which is a quarter full: nobody is short of room
 * before that, and who has filled it isn't counted. The last eighth is for those that have sent
 * little since the daemon began to read, so that a noisy session costs no other its records.
 */
static __noinline int has_room(__u64 session, __u32 family, __u64 length, __u64 used, __u64 size)
{
	struct session *sender = bpf_map_lookup_elem(&sessions, &session);
	struct control *control = shared();
	__u64 before = 0;

	if (!sender || !control || family >= FAMILY_COUNT)
		return 1;
	if (sender->rounds[family] == control->round) {
		before = sender->sent[family];
		__sync_fetch_and_add(&sender->sent[family], length);
	} else {
		sender->sent[family] = length;
		sender->rounds[family] = control->round;
		__sync_fetch_and_add(&control->active[family], 1);
	}
	if (used + length <= size - size / 8)
		return 1;
	return before * (control->active[family] + 1) <= size / 8;
}

/* Not preempted, where that can be: all behind it in the ring would have to wait. */
static __always_inline long output(void *ring, struct record *record, __u64 length, __u64 flags)
{
	long error;

	preempt_disable();
	error = bpf_ringbuf_output(ring, record, length, flags);
	preempt_enable();
	return error;
}

/* Sends the record and gives the slot back; returns an error if there was no room for it. */
static __always_inline long record_output(struct slot *slot, void *ring, __u32 family, int urgent)
{
	struct record *record = (struct record *)slot->record;
	__u64 used = bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA);
	struct control *control = shared();
	__u64 size = control ? control->sizes[family] : 0;
	__u64 length = slot->length;
	long error = -1;
	__u64 flags;

	if (length < sizeof(*record) || length > RECORD_MAX)
		length = sizeof(*record);
	record->length = length;
	flags = wakeup(used, size, urgent);
	if (family == FAMILY_SESSION || used + length < size / 4 ||
	    has_room(record->session, family, length, used, size))
		error = output(ring, record, length, flags);
	/* Nothing was woken: the next record has to try again. */
	if (error && control && flags == BPF_RB_FORCE_WAKEUP)
		control->reader = READER_ASLEEP;
	slot_release(slot);
	return error;
}

/* Sends a record that is an event of its own: that it is lost is counted. */
static __always_inline long record_send(struct slot *slot, void *ring, __u32 family, int urgent)
{
	__u64 session = ((struct record *)slot->record)->session;
	long error = record_output(slot, ring, family, urgent);

	if (error)
		lose(session, family, LOSS_RING_FULL);
	return error;
}

#endif
