/*
 * patch_inner.h - what patch.c (the order of things), patch_services.c and patch_middlewares.c (who refers to those) share;
 * nobody else includes it.
 */
#ifndef WEIR_MASTER_RESOLVE_PATCH_INNER_H
#define WEIR_MASTER_RESOLVE_PATCH_INNER_H

#include "master/resolve/resolver.h"

struct patched_service {
    struct http_service *old, *fresh; /* of one name; NULL: it comes, or goes */
    bool reached;                     /* by what stays */
};

struct patched_room { /* a list that something was taken out of */
    struct list *list;
    size_t room;
};

struct patching {
    struct resolver resolver; /* of the model, with tables of names that die with the patch */
    struct model *model;
    const struct model_patch *patch;
    struct pool *pool; /* outlives the patch a little */
    struct resolve_patched *out;
    size_t capacities[PART_MIDDLEWARE + 1]; /* of out->names */
    size_t gone_capacity, came_capacity;    /* of out->gone and out->came */
    struct patched_middleware *middlewares;
    size_t middleware_count, middleware_capacity;
    struct patched_service *services;
    size_t service_count, service_capacity;
    struct patched_room *rooms;
    size_t room_count, room_capacity;
    struct http_service **left; /* services that stay and have lost a user */
    size_t left_count, left_capacity;
};

/* ---- patch.c ---- */
/* Where the object of that name is or belongs in a sorted array of objects. */
size_t patch_place(void *objects, size_t count, struct slice name, bool *found);
/* False: nobody is called that. */
bool patch_take_out(void *objects, size_t *count, struct slice name);
/* The last of the array takes its place among the others. False: there is one of its name. */
bool patch_put_last(void *objects, size_t count);
/* One of that name comes, goes or is another. */
void patch_touch(struct patching *at, enum model_part part, struct slice name);

/* ---- patch_middlewares.c ---- */
bool patch_middlewares_replace(struct patching *at);
/* All that stays and comes is known, services too. False: something is wrong with one that comes. */
bool patch_middlewares_judge(struct patching *at);
/* Routers that go are out, those that come not in yet: whether all others that refer to them are as good, or as bad,
 * as before. */
bool patch_middlewares_apart(struct patching *at);

/* ---- patch_services.c ---- */
bool patch_service_is_fresh(const struct patching *at, const struct http_service *service);
/* A service that goes, or one that comes. */
void patch_service_add(struct patching *at, struct http_service *old, struct http_service *fresh);
/* All are known: who stays under its name keeps its users. */
void patch_services_settle(struct patching *at);
/* Whether all others that refer to them are as good, or as bad, as before. */
bool patch_services_apart(struct patching *at);
/* A router uses its service and its middlewares no more, or from now on. */
void patch_unuse(struct patching *at, const struct http_router *router);
void patch_use(struct patching *at, const struct http_router *router);
/* Which of them are in use now; false: more would be others. */
bool patch_services_reach(struct patching *at);
void patch_fresh(struct patching *at); /* out->fresh */

#endif
