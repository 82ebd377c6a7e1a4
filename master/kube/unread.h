/*
 * unread.h - which object it is that cannot be read: for the line that names it.
 */
#ifndef WEIR_MASTER_KUBE_UNREAD_H
#define WEIR_MASTER_KUBE_UNREAD_H

#include "common/base/slice.h"

/* " NAMESPACE/NAME" (or " NAME") of the object, or of that in an event of a watch, from its metadata alone; "" when not even
 * those can be read. Cut to fit. */
void kube_unread_name(struct slice text, char *buf, size_t size);

#endif
