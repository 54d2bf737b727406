/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * What sessions have systemd run. A request to make a unit names it, and what comes of it begins in
 * a cgroup of that name. What else the manager of an account does may be a session's doing, too.
 */
#ifndef UNIT_H
#define UNIT_H

#include "session.h"
#include "syscall.h"

/* The name of a manager as the number that its bytes are, with the zero byte behind them. */
#define SYSTEMD 0x00646d6574737973ULL

/* Of a request, and of a unit's name: bytes that are looked at. */
#define CALL_LENGTH 1024
#define UNIT_NAME_LENGTH 256
#define UNIT_NAME_AT_ONCE 16

/* Parts that a request is sent in: sd-bus has one for the head, and one for the body. */
#define CALL_PARTS 4

/* The session that has asked for a unit, and what that makes of it: of enum login. */
struct unit_request {
	__u64 session;
	__u64 login;
};

/* How many units are noted, and of how many an hour there are shares. */
#define UNITS 4096
#define UNIT_NOTES (UNITS / 4)

struct unit_key {
	__u64 manager;
	__u64 name; /* without its type */
};

/* Units of the host's manager: only root's requests get here, so that nobody else can push them
 * out. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, UNITS);
	__type(key, struct unit_key);
	__type(value, struct unit_request);
} system_units SEC(".maps");

/* Those of the accounts' managers. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, UNITS);
	__type(key, struct unit_key);
	__type(value, struct unit_request);
} user_units SEC(".maps");

/* The session that was the last to talk to the manager of an account. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} managers SEC(".maps");

/* Tells the manager of an account from the host's, which has a time here. */
#define OF_ACCOUNT (1ULL << 63)

/* Whether it is the first process of its namespace. */
static __always_inline int is_first(struct task_struct *task)
{
	struct pid *pid = BPF_CORE_READ(task, thread_pid);
	__u64 upid = (__u64)pid + bpf_core_field_offset(struct pid, numbers) +
		     (__u64)BPF_CORE_READ(pid, level) * bpf_core_type_size(struct upid);

	return BPF_CORE_READ((struct upid *)upid, nr) == 1;
}

/* What tells this service manager from all others, or 0 if it is none. */
__noinline __u64 manager_key(__u64 of)
{
	struct task_struct *task = (void *)of;
	__u64 name;

	bpf_probe_read_kernel(&name, sizeof(name), &task->comm);
	if (name != SYSTEMD)
		return 0;
	if (is_first(task))
		return BPF_CORE_READ(task, start_boottime) | 1;
	return is_first(BPF_CORE_READ(task, real_parent))
		   ? OF_ACCOUNT | BPF_CORE_READ(task, cred, uid.val)
		   : 0;
}

/* A slot in which nothing is to be sent. */
static __noinline struct slot *slot_borrow(__u64 session)
{
	return record_claim(session, FAMILY_SESSION, 0, 0);
}

/* A name as a number (FNV-1a), so far: all of it, and up to its last dot. */
struct unit_name {
	__u64 whole;
	__u64 stem;
};

/* Takes some more bytes of the name, which are at a place in the slot's record; 0 behind its end.
 */
__noinline int unit_name_part(__u32 index, __u64 at)
{
	struct slot *slot = slot_at(index);
	struct unit_name *name;

	if (!slot || at > CALL_LENGTH + UNIT_NAME_LENGTH)
		return 0;
	name = (struct unit_name *)slot->path;
	for (__u64 i = 0; i < UNIT_NAME_AT_ONCE; i++) {
		__u8 byte = slot->record[at + i];

		if (!byte)
			return 0;
		if (byte == '.')
			name->stem = name->whole;
		name->whole = (name->whole ^ byte) * 0x100000001b3ULL;
	}
	return 1;
}

/*
 * The name at a place in the slot's record up to its last dot, as a number: a timer has the name of
 * the service that it starts. 0 if it is none.
 */
__noinline __u64 unit_name(__u32 index, __u64 at)
{
	struct slot *slot = slot_at(index);
	struct unit_name *name;

	if (!slot)
		return 0;
	name = (struct unit_name *)slot->path;
	name->whole = 0xcbf29ce484222325ULL;
	name->stem = 0;
#pragma nounroll
	for (__u64 i = 0; i < UNIT_NAME_LENGTH; i += UNIT_NAME_AT_ONCE) {
		if (!unit_name_part(index, at + i))
			return name->stem;
	}
	return 0;
}

/* One of the words of a message, as pointer_at has it. */
__noinline __u64 call_word(__u64 from, __u32 index)
{
	return pointer_at(from, index);
}

/* Appends a part of a request to the slot's record. */
__noinline int call_append(__u32 index, __u64 part, __u64 length)
{
	struct slot *slot = slot_at(index);
	__u64 at;

	if (!slot)
		return 0;
	at = slot->length;
	if (at > CALL_LENGTH)
		return 0;
	if (length > CALL_LENGTH)
		length = CALL_LENGTH;
	if (!bpf_probe_read_user(&slot->record[at], length, (void *)part))
		slot->length = at + length;
	return 0;
}

/* Reads a message: behind two words, struct msghdr has where its parts are, and how many. */
__noinline int call_read(__u32 index, __u64 message)
{
	__u64 parts = call_word(message, 2), count = call_word(message, 3);

#pragma nounroll
	for (__u32 i = 0; i < CALL_PARTS; i++) {
		if (i >= count)
			break;
		call_append(index, call_word(parts, 2 * i), call_word(parts, 2 * i + 1));
	}
	return 0;
}

/*
 * Where the first argument is of the D-Bus message in the slot's record, if that asks for a new
 * unit; else 0. Each field of its head begins at a multiple of 8, with its code and type: this is
 * the method's name.
 */
__noinline __u32 call_argument(__u32 index)
{
	struct slot *slot = slot_at(index);
	__u32 fields, argument;
	__u64 *words;

	if (!slot)
		return 0;
	words = (__u64 *)slot->record;
	fields = words[1] >> 32;
	/* In the byte order of this host, and a call. */
	if ((words[0] & 0xffff) != 0x016c || fields > CALL_LENGTH / 2)
		return 0;
	argument = 16 + ((fields + 7) & ~7U) + 4 /* the length of the string */;
	if (argument >= slot->length)
		return 0;
	for (__u32 i = 2; i < CALL_LENGTH / 2 / 8; i++) {
		if (words[i] == 0x0000001200730103ULL && words[i + 1] == 0x6172547472617453ULL &&
		    words[i + 2] == 0x6e55746e6569736eULL && (words[i + 3] & 0xffffff) == 0x7469)
			return argument;
	}
	return 0;
}

/* The service manager at the other end of a local socket as a task, or 0: it has made the listener.
 */
static __always_inline __u64 manager_behind(struct sock *sk)
{
	struct pid *pid;
	__u64 links;

	/* What was accepted has a path: there the manager is a client. */
	if (!sk || BPF_CORE_READ(sk, __sk_common.skc_family) != AF_UNIX ||
	    BPF_CORE_READ(sk, sk_type) != SOCK_STREAM ||
	    BPF_CORE_READ((struct unix_sock *)sk, path.dentry))
		return 0;
	pid = BPF_CORE_READ(sk, sk_peer_pid);
	links = pid ? (__u64)BPF_CORE_READ(pid, tasks[PIDTYPE_PID].first) : 0;
	return links ? links - bpf_core_field_offset(struct task_struct, pid_links) : 0;
}

/*
 * Notes that a session talks to a service manager, if that does what it says. Returns the manager's
 * key.
 */
__noinline __u64 manager_note(__u64 key, __u64 of)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	__u64 manager = manager_key(of);
	__u32 euid = BPF_CORE_READ(task, cred, euid.val);

	if (!session || !manager ||
	    (euid && euid != BPF_CORE_READ((struct task_struct *)of, cred, uid.val)))
		return 0;
	if (manager & OF_ACCOUNT) {
		bpf_map_update_elem(&managers, &manager, &key, BPF_ANY);
		jobs_expect(session);
	}
	return manager;
}

/* Notes the unit that a session asks for by the request in the slot's record. */
__noinline int unit_note(__u32 index, __u64 key, __u64 manager)
{
	struct session *session = bpf_map_lookup_elem(&sessions, &key);
	struct process *process = known_process();
	struct unit_request request = {.session = key, .login = LOGIN_SYSTEMD_RUN};
	struct unit_key unit = {.manager = manager};
	struct slot *slot = slot_at(index);
	__u32 argument;
	__u64 length;

	if (!session || !process || !slot)
		return 0;
	length = slot->length;
	if (length > 2 * CALL_LENGTH)
		return 0;
	slot->record[length] = 0;
	argument = call_argument(index);
	unit.name = argument ? unit_name(index, argument) : 0;
	if (!unit.name || !share_take_note(key, TABLE_UNITS, UNIT_NOTES))
		return 0;
	/* Another thread may have sent another name than is there now. */
	if (process->shares_memory)
		request.login = LOGIN_SYSTEMD;
	if (manager & OF_ACCOUNT)
		bpf_map_update_elem(&user_units, &unit, &request, BPF_ANY);
	else
		bpf_map_update_elem(&system_units, &unit, &request, BPF_ANY);
	jobs_expect(session);
	return 0;
}

/* A session has connected this socket. */
static __noinline int talk_note(__u64 session, struct sock *sk)
{
	__u64 of = manager_behind(sk);

	if (of)
		manager_note(session, of);
	return 0;
}

/* A session has sent `length` bytes at `from`, or a message there if that is 0, by this socket. */
static __noinline int call_note(__u64 session, struct sock *sk, __u64 from, __u64 length)
{
	__u64 of = manager_behind(sk);
	__u64 manager = of ? manager_note(session, of) : 0;
	struct slot *slot;

	if (!manager)
		return 0;
	slot = slot_borrow(session);
	if (!slot)
		return 0;
	if (length)
		call_append(slot->index, from, length);
	else
		call_read(slot->index, from);
	unit_note(slot->index, session, manager);
	slot_release(slot);
	return 0;
}

/* The name of the cgroup of the current process as that of a unit. */
__noinline __u64 unit_of_cgroup(__u64 of)
{
	struct task_struct *task = (void *)of;
	struct slot *slot = slot_borrow(0);
	__u64 name;

	if (!slot)
		return 0;
	slot->record[0] = 0;
	bpf_probe_read_kernel_str(slot->record, UNIT_NAME_LENGTH,
				  BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, name));
	/* systemd puts it in front of a name that a file of the kernel's could have. */
	name = unit_name(slot->index, slot->record[0] == '_');
	slot_release(slot);
	return name;
}

/*
 * The session that has named the program that the kernel itself runs as this process, as far as one
 * can tell, or 0.
 */
static __noinline __u64 helper_session(__u64 of)
{
	struct task_struct *parent = BPF_CORE_READ((struct task_struct *)of, real_parent);
	struct control *control = shared();

	return control && control->helper && BPF_CORE_READ(parent, flags) & PF_KTHREAD
		   ? control->helper
		   : 0;
}

/*
 * Puts a program that a service manager has begun, or the kernel, into a session of its own, if a
 * session has asked for it.
 */
__noinline int unit_join(void)
{
	__u64 task = bpf_get_current_task(), key = LOGIN_KEY | bpf_ktime_get_boot_ns();
	__u64 manager = manager_key((__u64)BPF_CORE_READ((struct task_struct *)task, real_parent));
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct control *control = shared();
	struct unit_key unit = {.manager = manager};
	struct unit_request *request;
	__u32 login = LOGIN_SYSTEMD;
	__u64 origin = 0, *session;

	if (!control || !control->logins || known_process())
		return 0;
	if (!manager) {
		origin = helper_session(task);
		return origin && session_open(key, LOGIN_KERNEL, task, task, origin) &&
		       process_join(key, pid, ROLE_USER);
	}
	unit.name = unit_of_cgroup(task);
	if (manager & OF_ACCOUNT) {
		request = bpf_map_lookup_elem(&user_units, &unit);
		session = bpf_map_lookup_elem(&managers, &manager);
		if (session)
			origin = *session;
	} else {
		request = bpf_map_lookup_elem(&system_units, &unit);
	}
	if (request) {
		origin = request->session;
		login = request->login;
	}
	return origin && session_open(key, login, task, task, origin) &&
	       process_join(key, pid, ROLE_USER);
}

/* The session entry of the current process, if it is such a program, or nothing. */
static __always_inline struct process *unit_process(void)
{
	return unit_join() ? known_process() : NULL;
}

#endif
