/* SPDX-License-Identifier: Apache-2.0 OR (MIT AND GPL-2.0-only) */
/* What every session.privilege has in common, and the one that no hook of its own tells. */
#ifndef PRIVILEGE_H
#define PRIVILEGE_H

#include "hold.h"
#include "session.h"

/* A record that tells nothing but the ids that the process has now. */
static __noinline struct slot *privilege_begin(struct process *process, __u32 operation,
					       int return_code)
{
	struct privilege *privilege;
	struct slot *slot;

	slot = record_begin(process->session, FAMILY_PRIVILEGE, KIND_PRIVILEGE, sizeof(*privilege));
	if (!slot)
		return NULL;
	privilege = (struct privilege *)slot->record;
	__builtin_memset(&privilege->return_code, 0,
			 sizeof(*privilege) - offsetof(struct privilege, return_code));
	privilege->return_code = return_code;
	privilege->operation = operation;
	ids_read(&privilege->ids);
	privilege->old_ids.uid = ID_NONE;
	return slot;
}

__noinline int loginuid_send(void)
{
	struct process *process = known_process();
	__u32 audit_session_id = current_audit_session();
	__u32 loginuid = current_loginuid();
	struct privilege *privilege;
	struct slot *slot;

	if (!process)
		return 0;
	if (!process->audit_session_id) {
		process_note(process);
		return 0;
	}
	slot = NULL;
	if (!operation_excluded(process->session, FAMILY_PRIVILEGE, PRIVILEGE_LOGINUID))
		slot = privilege_begin(process, PRIVILEGE_LOGINUID, 0);
	if (slot) {
		privilege = (struct privilege *)slot->record;
		privilege->old_loginuid = process->loginuid;
		privilege->loginuid = loginuid;
		privilege->old_audit_session_id = process->audit_session_id;
		act_send(slot, &command_ring, FAMILY_PRIVILEGE, 0);
	}
	process->audit_session_id = audit_session_id;
	process->loginuid = loginuid;
	return 0;
}

/*
 * Whether the current task has changed its loginuid, which only itself can, by a write to
 * /proc/PID/loginuid. A hook that tells of that would cost every write of the host, so it is looked
 * for at each fork, exec and exit.
 */
static __always_inline void loginuid_compare(struct process *process)
{
	if (process->audit_session_id != current_audit_session() ||
	    process->loginuid != current_loginuid())
		loginuid_send();
}

#endif
