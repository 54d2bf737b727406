/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/*
 * Who logged in, not only to which account. sshd writes it to a file for the user (`ExposeAuthInfo
 * yes`), who can change that at once; so it is taken from sshd's own memory, as it is written.
 */
#include "path.h"
#include "session.h"
#include "syscall.h"
#include "syscalls.h"

/* A key takes less, and so does a certificate up to its key id. Bytes. */
#define IDENTITY_LENGTH 16384

/* "sshauth." as the number that its bytes are. */
#define SSHAUTH 0x2e68747561687373ULL

/* Whether it is sshd's file, and the process that has it open is the one that has made it. */
static __always_inline int is_identity(struct file *file)
{
	__u64 name = 0;

	if (!(BPF_CORE_READ(file, f_mode) & FMODE_CREATED))
		return 0;
	bpf_probe_read_kernel(&name, sizeof(name), BPF_CORE_READ(file, f_path.dentry, d_name.name));
	return name == SSHAUTH;
}

/* Sends what the current process writes. */
__noinline int identity_send(__u64 key, __u64 from, __u64 length)
{
	struct identity *identity;
	struct slot *slot;

	slot = record_begin(key, FAMILY_SESSION, KIND_IDENTITY, sizeof(*identity));
	if (!slot)
		return 0;
	identity = (struct identity *)slot->record;
	if (length > IDENTITY_LENGTH)
		length = IDENTITY_LENGTH;
	if (bpf_probe_read_user(slot->record + sizeof(*identity), length, (void *)from))
		length = 0;
	identity->identity_length = length;
	identity->unused = 0;
	slot->length = sizeof(*identity) + length;
	record_send(slot, &session_ring, FAMILY_SESSION, 1);
	return 0;
}

/* Of the call that the current process is in, if that is a write. */
static __noinline int identity_note(struct process *process)
{
	long number = syscall_number();
	struct file *file;

	if (number != X86_WRITE && number != ARM64_WRITE)
		return 0;
	file = file_of(syscall_argument(0));
	if (!file || !is_identity(file))
		return 0;
	process = recorded_process(process);
	if (!process)
		process = broker_process();
	if (process && is_server(process))
		identity_send(process->session, syscall_argument(1), syscall_argument(2));
	return 0;
}

/* A process that has run a program is no such server. */
static __always_inline int identity_look(void)
{
	struct process *process = known_process();

	return process && !process->command_time ? identity_note(process) : 0;
}

/* At the end of a write. */
SEC("tp_btf/sys_exit")
int identity_write(__u64 *context)
{
	(void)context;
	return RUN(identity_look());
}

/* Where single functions can be hooked, at one that only writes to files pass: those are few. */
SEC("fexit/generic_write_checks")
int identity_file(__u64 *context)
{
	(void)context;
	return RUN(identity_look());
}
