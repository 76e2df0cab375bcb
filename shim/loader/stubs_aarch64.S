/*
 * dlopen, dlsym and dlclose as the application sees them; why and what, see stubs_x86_64.S.
 */
#define RTLD_DEEPBIND_BIT 3

    .text

    /* The arguments and the application's return address are kept while the next functions are found. */
    .macro JUMP_ON next, failure
    adrp x16, \next
    add x16, x16, :lo12:\next
    ldar x17, [x16]
    cbnz x17, 7f
    stp x29, x30, [sp, #-80]!
    .cfi_adjust_cfa_offset 80
    .cfi_rel_offset x29, 0
    .cfi_rel_offset x30, 8
    mov x29, sp
    stp x0, x1, [sp, #16]
    stp x2, x3, [sp, #32]
    stp x4, x5, [sp, #48]
    stp x6, x7, [sp, #64]
    bl loader_resolve
    ldp x0, x1, [sp, #16]
    ldp x2, x3, [sp, #32]
    ldp x4, x5, [sp, #48]
    ldp x6, x7, [sp, #64]
    ldp x29, x30, [sp], #80
    .cfi_adjust_cfa_offset -80
    .cfi_restore x29
    .cfi_restore x30
    adrp x16, \next
    add x16, x16, :lo12:\next
    ldar x17, [x16]
    cbnz x17, 7f
    mov x0, #\failure
    ret
7:
    mov x16, x17
    br x16 /* x16: allowed at a "bti c" */
    .endm

    .macro ACTIVE_OR_JUMP label
    adrp x16, loader_active
    ldrb w16, [x16, :lo12:loader_active]
    cbz w16, \label
    .endm

    .macro LETTER_OR_JUMP position, letter, label
    ldrb w16, [x1, #\position]
    cmp w16, #\letter
    b.ne \label
    .endm

    .globl dlsym
    .p2align 4
    .type dlsym, %function
dlsym:
    .cfi_startproc
    hint #34 /* bti c */
    ACTIVE_OR_JUMP 1f
    cbz x1, 1f
    LETTER_OR_JUMP 0, 'c', 1f
    LETTER_OR_JUMP 1, 'u', 1f
    LETTER_OR_JUMP 2, 'r', 1f
    LETTER_OR_JUMP 3, 'l', 1f
    LETTER_OR_JUMP 4, '_', 1f
    add x16, x0, #1 /* RTLD_NEXT is -1, RTLD_DEFAULT 0 */
    cmp x16, #1
    b.hi 4f
    stp x29, x30, [sp, #-32]!
    .cfi_def_cfa_offset 32
    .cfi_offset x29, -32
    .cfi_offset x30, -24
    stp x0, x1, [sp, #16]
    mov x0, x1
    bl loader_is_alone
    mov w16, w0
    ldp x0, x1, [sp, #16]
    ldp x29, x30, [sp], #32
    .cfi_restore x30
    .cfi_restore x29
    .cfi_def_cfa_offset 0
    tbnz w16, #0, 3f
1:
    JUMP_ON loader_next_dlsym, 0
3:
    b loader_nothing
4:
    b loader_dlsym
    .cfi_endproc
    .size dlsym, . - dlsym

    .globl dlopen
    .p2align 4
    .type dlopen, %function
dlopen:
    .cfi_startproc
    hint #34
    tbz w1, #RTLD_DEEPBIND_BIT, 1f
    ACTIVE_OR_JUMP 1f
    cbz x0, 1f
    mov x17, x0
2:
    ldrb w16, [x17], #1
    cbz w16, 1f
    cmp w16, #'/'
    b.ne 2b
    b loader_dlopen
1:
    JUMP_ON loader_next_dlopen, 0
    .cfi_endproc
    .size dlopen, . - dlopen

    .globl dlclose
    .p2align 4
    .type dlclose, %function
dlclose:
    .cfi_startproc
    hint #34
    adrp x16, loader_closes
    add x16, x16, :lo12:loader_closes
3:
    ldaxr w17, [x16]
    add w17, w17, #1
    stlxr w15, w17, [x16]
    cbnz w15, 3b
    JUMP_ON loader_next_dlclose, -1
    .cfi_endproc
    .size dlclose, . - dlclose

    .section .note.GNU-stack, "", %progbits
