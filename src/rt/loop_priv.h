/* SPDX-License-Identifier: MIT
 *
 * What the files of a loop share: the turn in loop.c, waking and going to sleep
 * in waker.c, signals in signal.c.
 */
#pragma once

#include <stdatomic.h>

#include "rt/loop.h"

/*
 * sleeping and kicked are the only words of a loop that other threads touch.
 * The line they are on is theirs alone.
 */
struct waker {
	_Alignas(64) _Atomic bool sleeping; /* seq_cst: see waker_wake() in loop.h */
	_Atomic bool kicked;
	_Alignas(64) int fd;
	struct watch watch;
};

struct waker *waker_new(struct loop *loop);
void waker_free(struct waker *waker);

/* Loop: announces the sleep; false when a kick came before it. */
bool waker_announce(struct waker *waker);
/* Loop: it is awake again. */
void waker_awake(struct waker *waker);

struct loop_signals;
void loop_signals_free(struct loop_signals *signals);
struct loop_signals **loop_signals_of(struct loop *loop);
