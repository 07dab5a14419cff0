/* home.h - where a system is: the folder of its stores, sockets and logs. One rule for every program and script, wherever one
 * stands: what --home says, else $FOKUS_HOME, else var/ in the clone that the program was built in. */
#pragma once
#include <limits.h>
#include <stdbool.h>

/* $FOKUS_HOME, or var/ in the program's clone; of a program that lies in no clone's build folder: ./var. */
const char *home_default(char ret[PATH_MAX]);

/* var/ in the clone of a program at CLONE/build/PRESET/bin/NAME. False: it lies elsewhere. */
bool home_of_program(const char *program, char ret[PATH_MAX]);
