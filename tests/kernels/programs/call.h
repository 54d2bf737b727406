/* System calls of programs without a library, on each architecture. */
#ifndef CALL_H
#define CALL_H

/* Makes the call of this number; what comes back is a result, or a negative error. */
long call(long number, long a, long b, long c, long d, long e, long f);

#ifdef __i386__
asm("call: push %ebp; push %ebx; push %esi; push %edi; mov 20(%esp), %eax; mov 24(%esp), %ebx;"
    "mov 28(%esp), %ecx; mov 32(%esp), %edx; mov 36(%esp), %esi; mov 40(%esp), %edi;"
    "mov 44(%esp), %ebp; int $0x80; pop %edi; pop %esi; pop %ebx; pop %ebp; ret");
#elif defined __arm__
asm(".arm; .type call, %function; call: push {r4-r7, lr}; mov r7, r0; mov r0, r1; mov r1, r2; mov r2, r3;"
    "ldr r3, [sp, #20]; ldr r4, [sp, #24]; ldr r5, [sp, #28]; svc #0; pop {r4-r7, pc}");
#elif defined __x86_64__
asm("call: mov %rdi, %rax; mov %rsi, %rdi; mov %rdx, %rsi; mov %rcx, %rdx; mov %r8, %r10;"
    "mov %r9, %r8; mov 8(%rsp), %r9; syscall; ret");
#elif defined __aarch64__
asm("call: mov x8, x0; mov x0, x1; mov x1, x2; mov x2, x3; mov x3, x4; mov x4, x5; mov x5, x6;"
    "svc #0; ret");
#endif

#define CALL_6(number, a, b, c, d, e, f, ...)                                                      \
	call(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
/* The arguments that are left out are 0. */
#define CALL(...) CALL_6(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

#endif
