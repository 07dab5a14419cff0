/* lexicon_table.c - the compiled lexicon as bytes of the program, read-only and shared by all processes that run it.
 *
 * By the assembler, since a compiler takes many seconds over an array of this size. Not part of link-time optimisation,
 * which does not see into assembler. */
__asm__(".section .rodata\n"
        ".balign 16\n"
        ".globl fokus_lexicon\n"
        ".type fokus_lexicon, %object\n"
        "fokus_lexicon:\n"
        ".incbin \"" LEXICON_FILE "\"\n"
        ".size fokus_lexicon, . - fokus_lexicon\n"
        ".previous\n");
