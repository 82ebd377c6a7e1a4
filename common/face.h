/*
 * face.h - the faces of the one binary: what main() starts by the first argument.
 *
 * The rooms master/ and worker/ do not know each other; main.c knows only these prototypes.
 */
#ifndef WEIR_COMMON_FACE_H
#define WEIR_COMMON_FACE_H

#define FACE_CHECK_OBJECTS 2

/* Each gets the arguments after its own name and returns the exit status. */
int face_guard(int argc, char **argv);  /* default: `weir [flags]` */
int face_master(int argc, char **argv); /* started by the guard only */
int face_worker(int argc, char **argv); /* started by the guard only */
int face_check(int argc,
               char **argv); /* FACE_CHECK_OBJECTS: it can be served without objects that have errors */
int face_explain(int argc, char **argv);
int face_config(int argc, char **argv);
int face_whoami(int argc, char **argv);
int face_version(int argc, char **argv);
int face_healthcheck(int argc, char **argv);
int face_status(int argc, char **argv);
int face_reference(int argc, char **argv);
int face_crds(int argc, char **argv);

/* In the environment of the `check` that an upgrade asks: a cluster that does not answer is no reason to refuse it. */
#define FACE_REHEARSAL "UPGRADE_OF_WEIR"

#endif
