/* The versions of the snapshot's bytes; the bytes are drawn in snapshot.c, read in restore.c. */
#ifndef TAPLINE_STATEMACHINE_SNAPSHOT_H
#define TAPLINE_STATEMACHINE_SNAPSHOT_H

#define SNAPSHOT_MAGIC          "tapstate"
#define SNAPSHOT_MAGIC_BYTES    8
#define SNAPSHOT_LAYOUT_VERSION 3

#endif
