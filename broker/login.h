/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * login.h - log-ins in progress: one connection to carrel-authd each
 */
#ifndef BROKER_LOGIN_H
#define BROKER_LOGIN_H

struct broker;
struct http_request;
struct login_table;

struct login_table *login_table_new(struct broker *broker);

/* Answers those that wait, so HTTP must still be served. */
void login_table_free(struct login_table *table);

/* POST /login and POST /login/ID; both answer when PAM asks or decides. */
void login_begin(struct login_table *table, struct http_request *request);
void login_continue(struct login_table *table, struct http_request *request);

#endif
