/*
 * dlopen, dlsym and dlclose as the application sees them.
 *
 * They end in a jump, not in a call: glibc decides by the return address whose RUNPATH counts, in which namespace to look and what RTLD_NEXT
 * means, so an ordinary wrapper breaks programs. Only what needs more goes to C (loader.c), again by a jump:
 *   dlsym    of a name that begins with "curl_" on a real handle; RTLD_DEFAULT and RTLD_NEXT jump on, unless nobody but us has the function
 *   dlopen   with RTLD_DEEPBIND of a name with a '/', where the return address does not matter
 * Any thread; before our constructor too, then loader_resolve() finds the next functions first.
 */
#define RTLD_DEEPBIND 8

    .text

    /* Called with the stack as a function finds it on entry. Saves the arguments, has the next functions found, restores the arguments. */
    .p2align 4
    .type resolve, @function
resolve:
    .cfi_startproc
    endbr64
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    pushq %rdx
    .cfi_adjust_cfa_offset 8
    pushq %rcx
    .cfi_adjust_cfa_offset 8
    pushq %r8
    .cfi_adjust_cfa_offset 8
    pushq %r9
    .cfi_adjust_cfa_offset 8
    call loader_resolve /* the stack is aligned: return address, return address, six registers */
    popq %r9
    .cfi_adjust_cfa_offset -8
    popq %r8
    .cfi_adjust_cfa_offset -8
    popq %rcx
    .cfi_adjust_cfa_offset -8
    popq %rdx
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
    .size resolve, . - resolve

    /* On with the arguments as they came. Where there is no such function at all the answer is `failure`. */
    .macro JUMP_ON next, failure
    movq \next(%rip), %rax
    testq %rax, %rax
    jz 7f
    jmp *%rax
7:
    call resolve
    movq \next(%rip), %rax
    testq %rax, %rax
    jz 8f
    jmp *%rax
8:
    movl $\failure, %eax
    ret
    .endm

    .globl dlsym
    .p2align 4
    .type dlsym, @function
dlsym:
    .cfi_startproc
    endbr64
    cmpb $0, loader_active(%rip)
    je 1f
    testq %rsi, %rsi
    jz 1f
    cmpb $'c', 0(%rsi)
    jne 1f
    cmpb $'u', 1(%rsi)
    jne 1f
    cmpb $'r', 2(%rsi)
    jne 1f
    cmpb $'l', 3(%rsi)
    jne 1f
    cmpb $'_', 4(%rsi)
    jne 1f
    leaq 1(%rdi), %rax /* RTLD_NEXT is -1, RTLD_DEFAULT 0 */
    cmpq $1, %rax
    ja loader_dlsym
    pushq %rdi
    .cfi_adjust_cfa_offset 8
    pushq %rsi
    .cfi_adjust_cfa_offset 8
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    movq %rsi, %rdi
    call loader_is_alone
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    popq %rsi
    .cfi_adjust_cfa_offset -8
    popq %rdi
    .cfi_adjust_cfa_offset -8
    testb %al, %al
    jnz loader_nothing
1:
    JUMP_ON loader_next_dlsym, 0
    .cfi_endproc
    .size dlsym, . - dlsym

    .globl dlopen
    .p2align 4
    .type dlopen, @function
dlopen:
    .cfi_startproc
    endbr64
    testl $RTLD_DEEPBIND, %esi
    jz 1f
    cmpb $0, loader_active(%rip)
    je 1f
    testq %rdi, %rdi
    jz 1f
    movq %rdi, %rax
2:
    cmpb $'/', (%rax)
    je loader_dlopen
    cmpb $0, (%rax)
    je 1f
    incq %rax
    jmp 2b
1:
    JUMP_ON loader_next_dlopen, 0
    .cfi_endproc
    .size dlopen, . - dlopen

    .globl dlclose
    .p2align 4
    .type dlclose, @function
dlclose:
    .cfi_startproc
    endbr64
    lock incl loader_closes(%rip)
    JUMP_ON loader_next_dlclose, -1
    .cfi_endproc
    .size dlclose, . - dlclose

    .section .note.GNU-stack, "", @progbits

    /* Says that this file keeps to indirect-branch tracking and shadow stacks, or the linker turns both off for the whole library. */
    .section .note.gnu.property, "a"
    .p2align 3
    .long 4
    .long 16
    .long 5
    .asciz "GNU"
    .long 0xc0000002
    .long 4
    .long 3
    .long 0
