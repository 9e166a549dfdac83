/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * vnc_session.c - one VNC client, with libvncserver (carrel-display)
 *
 * How it works: libvncserver waits for a client that does not read, so each client has a thread "vnc" of its own, with a screen
 * of its own. vnc_session_run() sleeps until its client says something, or the main thread or a refresh wakes it through
 * an eventfd; it then copies what is damaged from the surface into the session's own pixels and lets the library work.
 * What the client does goes to the main thread by vnc_mail.c. To end a session the main thread shuts its socket down,
 * which ends every wait, and joins the thread.
 *
 * The clipboard's texts lie in "to_client" and "from_client", the newest of each. The library never sees the client's cut texts:
 * vnc_session_hear() looks at each message's first byte and reads these itself (vnc_cut_text.c), because the library hands on
 * memory that nobody has written when a compressed text is shorter than it claims, and ends a client whose text is too long.
 *
 * Of the other messages the library hears those that viewers send today (library_messages); a client that sends another one is
 * shown out. Its scaling (UltraVNC's and PalmVNC's) divides by zero when a scaled picture becomes smaller, and what else
 * it knows is not offered here.
 *
 * The library opens no socket. Who comes here has shown a ticket and a password inside TLS, so RFB's own passwords are off, and
 * its built-in HTTP server, file transfer and chat stay off. A client speaks only after the server (tls_link.c), so its first
 * bytes cannot make the library guess WebSockets or TLS.
 */
#include "display/vnc_session.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <poll.h>
#include <rfb/rfb.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "display/surface.h"
#include "display/vnc_cut_text.h"
#include "display/vnc_keys.h"

#define PIXEL_BYTES 4
#define MAX_CLIENT_WAIT \
	10000 /* ms in which a client must read something, or the rest of a message come */
#define NO_PICTURE_WIDTH  640 /* as long as the source has none */
#define NO_PICTURE_HEIGHT 480
#define MAX_SKIPPED_BYTES \
	(64 * 1024 * 1024) /* of a text that is too long; whoever sends more goes */

/* "QEMU Extended Key Event" in the community's description of RFB (rfbproto) */
#define QEMU_KEY_ENCODING (-258)
#define QEMU_MESSAGE	  255
#define QEMU_MESSAGE_KEY  0

struct vnc_session {
	char *name;
	struct surface *surface;
	struct vnc_mail *mail;
	GThread *thread;
	int fd; /* the library has its own copy */
	int wake_fd;
	GMutex text_lock;
	char *to_client;   /* under it; NULL: nothing new */
	char *from_client; /* under it */
	/* of the thread */
	rfbScreenInfoPtr screen;
	rfbClientPtr client; /* NULL: gone */
	uint8_t *pixels;
	uint64_t generation; /* of what the pixels show; 0: nothing */
	uint64_t cursor_shape;
	bool cursor_visible;
	bool frame_told;
	struct vnc_cut_caps cut_caps;
	char *text; /* the guest's, which the client may ask for */
};

/* The picture, in the session's thread. */

static void
vnc_session_set_format(struct vnc_session *session)
{
	rfbPixelFormat *format = &session->screen->serverFormat;

	format->redShift = 16;
	format->greenShift = 8;
	format->blueShift = 0;
}

/* rfbNewFramebuffer() forgets the pixel format, and what was made of it for the client. */
static void
vnc_session_resize(struct vnc_session *session, uint32_t width, uint32_t height)
{
	g_autofree uint8_t *old = session->pixels;

	session->pixels = g_malloc0((size_t)width * height * PIXEL_BYTES);
	rfbNewFramebuffer(session->screen, (char *)session->pixels, (int)width, (int)height, 8, 3,
			  PIXEL_BYTES);
	vnc_session_set_format(session);
	if (session->client)
		session->screen->setTranslateFunction(session->client);
}

static void
vnc_session_copy_rect(struct vnc_session *session, const struct damage_rect *rect)
{
	g_autofree uint8_t *part = g_malloc((size_t)rect->width * rect->height * PIXEL_BYTES);
	size_t stride = (size_t)session->screen->width * PIXEL_BYTES;
	size_t row_bytes = (size_t)rect->width * PIXEL_BYTES;
	uint8_t *target = session->pixels + rect->y * stride + (size_t)rect->x * PIXEL_BYTES;

	/* The size has changed meanwhile: the new picture is damaged as a whole. */
	if (surface_copy_rect(session->surface, session->generation, rect, part) < 0)
		return;
	for (size_t row = 0; row < rect->height; row++)
		memcpy(target + row * stride, part + row * row_bytes, row_bytes);
	rfbMarkRectAsModified(session->screen, (int)rect->x, (int)rect->y,
			      (int)(rect->x + rect->width), (int)(rect->y + rect->height));
}

static void
vnc_session_follow_picture(struct vnc_session *session)
{
	struct surface *surface = session->surface;
	struct surface_info info = surface_get_info(surface);
	struct damage_rect rects[DAMAGE_MAX_RECTS];
	bool fresh = info.generation != session->generation;
	size_t count;

	if (info.width == 0)
		return;
	if (fresh && ((uint32_t)session->screen->width != info.width ||
		      (uint32_t)session->screen->height != info.height))
		vnc_session_resize(session, info.width, info.height);
	session->generation = info.generation;
	count = surface_take_damage(surface, SURFACE_READER_VNC, info.generation, rects);
	if (fresh) {
		rects[0] = (struct damage_rect){ 0, 0, info.width, info.height };
		count = 1;
	}
	for (size_t i = 0; i < count; i++)
		vnc_session_copy_rect(session, &rects[i]);
}

/* The library frees it and what it holds, by free(3). */
static rfbCursorPtr
vnc_session_make_cursor(struct surface_cursor *shape)
{
	size_t mask_stride = (shape->width + 7) / 8;
	rfbCursorPtr cursor = g_new0(rfbCursor, 1);

	cursor->cleanup = TRUE;
	cursor->cleanupMask = TRUE;
	cursor->cleanupRichSource = TRUE;
	cursor->width = (unsigned short)shape->width;
	cursor->height = (unsigned short)shape->height;
	cursor->xhot = (unsigned short)shape->hot_x;
	cursor->yhot = (unsigned short)shape->hot_y;
	cursor->mask = g_malloc0(mask_stride * shape->height);
	for (size_t y = 0; y < shape->height; y++)
		for (size_t x = 0; x < shape->width; x++)
			if (shape->argb[(y * shape->width + x) * PIXEL_BYTES + 3] >= 0x80)
				cursor->mask[y * mask_stride + x / 8] |= (uint8_t)(0x80 >> x % 8);
	cursor->richSource = g_steal_pointer(&shape->argb);
	return cursor;
}

static void
vnc_session_follow_cursor(struct vnc_session *session)
{
	uint64_t seen = session->cursor_visible ? session->cursor_shape : 0;
	struct surface_cursor cursor;

	surface_copy_cursor(session->surface, seen, &cursor);
	if (cursor.visible && cursor.argb)
		rfbSetCursor(session->screen, vnc_session_make_cursor(&cursor));
	else if (!cursor.visible && session->cursor_visible)
		rfbSetCursor(session->screen, NULL);
	session->cursor_shape = cursor.shape;
	session->cursor_visible = cursor.visible && cursor.shape > 0;
	g_free(cursor.argb);
}

/* What the library calls, in the session's thread. */

static void
vnc_session_handle_key(rfbBool down, rfbKeySym keysym, rfbClientPtr client)
{
	struct vnc_session *session = client->screen->screenData;
	uint32_t qnum = vnc_keys_find(keysym);

	if (qnum != 0)
		vnc_mail_put(session->mail, VNC_EVENT_KEY, qnum, down != 0);
}

static void
vnc_session_handle_pointer(int buttons, int x, int y, rfbClientPtr client)
{
	struct vnc_session *session = client->screen->screenData;

	rfbDefaultPtrAddEvent(buttons, x, y, client);
	vnc_mail_put(session->mail, VNC_EVENT_POSITION, (uint32_t)MAX(x, 0), (uint32_t)MAX(y, 0));
	vnc_mail_put(session->mail, VNC_EVENT_BUTTONS, (uint32_t)buttons, 0);
}

/* The new size comes when the guest has followed. */
static int
vnc_session_handle_size(int width, int height, int n_screens G_GNUC_UNUSED,
			rfbExtDesktopScreen *screens G_GNUC_UNUSED, rfbClientPtr client)
{
	struct vnc_session *session = client->screen->screenData;

	if (width <= 0 || height <= 0)
		return rfbExtDesktopSize_InvalidScreenLayout;
	vnc_mail_put(session->mail, VNC_EVENT_SIZE, (uint32_t)width, (uint32_t)height);
	return rfbExtDesktopSize_Success;
}

static void
vnc_session_handle_sent(rfbClientPtr client, int result)
{
	struct vnc_session *session = client->screen->screenData;

	if (!result || session->frame_told || session->generation == 0)
		return;
	session->frame_told = true;
	vnc_mail_put(session->mail, VNC_EVENT_FRAME, 0, 0);
}

static void
vnc_session_handle_gone(rfbClientPtr client)
{
	struct vnc_session *session = client->screen->screenData;

	session->client = NULL;
}

/* The clipboard, in the session's thread. */

static void
vnc_session_send(struct vnc_session *session, GByteArray *message)
{
	if (rfbWriteExact(session->client, (const char *)message->data, (int)message->len) <= 0)
		rfbCloseClient(session->client);
	g_byte_array_unref(message);
}

static bool
vnc_session_is_extended(const struct vnc_session *session)
{
	return session->client->enableExtendedClipboard && session->cut_caps.flags & VNC_CUT_TEXT;
}

static void
vnc_session_tell_text(struct vnc_session *session)
{
	const struct vnc_cut_caps *caps = &session->cut_caps;

	if (!vnc_session_is_extended(session))
		vnc_session_send(session, vnc_cut_text_make_plain(session->text));
	else if (caps->flags & VNC_CUT_PROVIDE && strlen(session->text) < caps->max_unasked_bytes)
		vnc_session_send(session, vnc_cut_text_make_provide(session->text));
	else if (caps->flags & VNC_CUT_NOTIFY)
		vnc_session_send(session, vnc_cut_text_make_notify(true));
}

static void
vnc_session_follow_text(struct vnc_session *session)
{
	g_autofree char *text = NULL;

	if (session->client->state != RFB_NORMAL)
		return;
	g_mutex_lock(&session->text_lock);
	text = g_steal_pointer(&session->to_client);
	g_mutex_unlock(&session->text_lock);
	if (!text)
		return;
	g_free(session->text);
	session->text = g_steal_pointer(&text);
	vnc_session_tell_text(session);
}

static void
vnc_session_handle_text(struct vnc_session *session, char *text)
{
	g_mutex_lock(&session->text_lock);
	g_free(session->from_client);
	session->from_client = text;
	g_mutex_unlock(&session->text_lock);
	vnc_mail_put(session->mail, VNC_EVENT_TEXT, 0, 0);
}

static void
vnc_session_handle_extended(struct vnc_session *session, const uint8_t *body, size_t size)
{
	char *text;

	switch (vnc_cut_text_read_extended(body, size, &session->cut_caps, &text)) {
	case VNC_CUT_PEEK:
		vnc_session_send(session, vnc_cut_text_make_notify(session->text != NULL));
		break;
	case VNC_CUT_REQUEST:
		if (session->text)
			vnc_session_send(session, vnc_cut_text_make_provide(session->text));
		break;
	case VNC_CUT_PROVIDE:
		if (text)
			vnc_session_handle_text(session, text);
		break;
	default:
		break;
	}
}

static bool
vnc_session_skip(struct vnc_session *session, uint32_t size)
{
	char part[4096];

	while (size > 0) {
		uint32_t used = MIN(size, (uint32_t)sizeof(part));

		if (rfbReadExact(session->client, part, (int)used) <= 0)
			return false;
		size -= used;
	}
	return true;
}

/* False: the client has gone, or must. */
static bool
vnc_session_take_cut_text(struct vnc_session *session)
{
	uint8_t head[1 + VNC_CUT_TEXT_HEAD_BYTES];
	g_autofree uint8_t *body = NULL;
	bool extended;
	uint32_t size;

	if (rfbReadExact(session->client, (char *)head, sizeof(head)) <= 0)
		return false;
	size = vnc_cut_text_read_head(head + 1, &extended);
	if (size > VNC_CUT_TEXT_MAX_BYTES)
		return size <= MAX_SKIPPED_BYTES && vnc_session_skip(session, size);
	body = g_malloc(size + 1);
	if (size > 0 && rfbReadExact(session->client, (char *)body, (int)size) <= 0)
		return false;
	if (extended)
		vnc_session_handle_extended(session, body, size);
	else
		vnc_session_handle_text(session, vnc_cut_text_read_plain(body, size));
	return true;
}

/* QEMU's extended key event: the client says that it knows it, is told that we do, and then names keys instead of characters. */

static rfbBool
vnc_qemu_keys_enable(rfbClientPtr client, void **data G_GNUC_UNUSED, int encoding)
{
	rfbFramebufferUpdateMsg update = { .type = rfbFramebufferUpdate, .nRects = htons(1) };
	rfbFramebufferUpdateRectHeader rect = { .encoding = htonl((uint32_t)encoding) };

	return rfbWriteExact(client, (const char *)&update, sz_rfbFramebufferUpdateMsg) > 0 &&
	       rfbWriteExact(client, (const char *)&rect, sz_rfbFramebufferUpdateRectHeader) > 0;
}

static rfbBool
vnc_qemu_keys_handle(rfbClientPtr client, void *data G_GNUC_UNUSED,
		     const rfbClientToServerMsg *message)
{
	struct vnc_session *session = client->screen->screenData;
	uint8_t body[11]; /* kind, u16 down, u32 keysym, u32 scan code */
	uint32_t qnum;

	if (message->type != QEMU_MESSAGE)
		return FALSE;
	if (rfbReadExact(client, (char *)body, sizeof(body)) <= 0 || body[0] != QEMU_MESSAGE_KEY) {
		rfbCloseClient(client);
		return TRUE;
	}
	qnum = (uint32_t)body[7] << 24 | (uint32_t)body[8] << 16 | (uint32_t)body[9] << 8 |
	       body[10];
	if (qnum > 0 && qnum < VNC_SESSION_KEYS)
		vnc_mail_put(session->mail, VNC_EVENT_KEY, qnum, body[1] || body[2]);
	return TRUE;
}

static int qemu_keys_encodings[] = { QEMU_KEY_ENCODING, 0 };

/* The library keeps one list of extensions for the process, and links them: it is written by the first sink only. */
static rfbProtocolExtension qemu_keys = {
	.pseudoEncodings = qemu_keys_encodings,
	.enablePseudoEncoding = vnc_qemu_keys_enable,
	.handleMessage = vnc_qemu_keys_handle,
};

static gpointer
vnc_library_prepare(gpointer data G_GNUC_UNUSED)
{
	rfbLogEnable(FALSE);
	rfbRegisterProtocolExtension(&qemu_keys);
	return NULL;
}

/* The session's thread. */

static bool
vnc_session_open(struct vnc_session *session)
{
	rfbScreenInfoPtr screen =
		rfbGetScreen(NULL, NULL, NO_PICTURE_WIDTH, NO_PICTURE_HEIGHT, 8, 3, PIXEL_BYTES);

	if (!screen)
		return false;
	session->screen = screen;
	session->pixels = g_malloc0(NO_PICTURE_WIDTH * NO_PICTURE_HEIGHT * PIXEL_BYTES);
	screen->frameBuffer = (char *)session->pixels;
	screen->screenData = session;
	screen->desktopName = session->name;
	/* No port: nothing is opened (tests/unit/test_sink_vnc.c looks). */
	screen->port = 0;
	screen->ipv6port = 0;
	screen->autoPort = FALSE;
	screen->alwaysShared = TRUE;
	screen->permitFileTransfer = FALSE;
	screen->maxClientWait = MAX_CLIENT_WAIT;
	screen->deferUpdateTime = 0;
	screen->deferPtrUpdateTime = 0;
	screen->cursor = NULL;
	screen->kbdAddEvent = vnc_session_handle_key;
	screen->ptrAddEvent = vnc_session_handle_pointer;
	screen->setDesktopSizeHook = vnc_session_handle_size;
	screen->displayFinishedHook = vnc_session_handle_sent;
	rfbInitServer(screen);
	vnc_session_set_format(session);
	vnc_session_follow_picture(session);
	session->client = rfbNewClient(screen, fcntl(session->fd, F_DUPFD_CLOEXEC, 0));
	if (session->client)
		session->client->clientGoneHook = vnc_session_handle_gone;
	return session->client != NULL;
}

/* What the library may hear of a client that it has let in. */
static const bool library_messages[UINT8_MAX + 1] = {
	[rfbSetPixelFormat] = true, [rfbSetEncodings] = true, [rfbFramebufferUpdateRequest] = true,
	[rfbKeyEvent] = true,	    [rfbPointerEvent] = true, [rfbSetDesktopSize] = true,
	[QEMU_MESSAGE] = true,
};

/* False: the client has gone, or must. */
static bool
vnc_session_hear_normal(struct vnc_session *session)
{
	uint8_t type;
	ssize_t got = recv(session->client->sock, &type, sizeof(type), MSG_PEEK | MSG_DONTWAIT);

	if (got < 0)
		return errno == EAGAIN || errno == EINTR;
	if (got == 0)
		return false;
	if (type == rfbClientCutText)
		return vnc_session_take_cut_text(session);
	if (!library_messages[type])
		return false;
	rfbProcessClientMessage(session->client);
	return true;
}

/* One message. The library takes as much of the socket as belongs to it, so the next byte is always a message's first. */
static void
vnc_session_hear(struct vnc_session *session)
{
	if (session->client->state != RFB_NORMAL)
		rfbProcessClientMessage(session->client);
	else if (!vnc_session_hear_normal(session))
		rfbCloseClient(session->client);
}

static void
vnc_session_serve(struct vnc_session *session)
{
	struct pollfd polls[] = { { .fd = session->client->sock, .events = POLLIN },
				  { .fd = session->wake_fd, .events = POLLIN } };
	eventfd_t wakes;

	while (session->client && session->client->sock != RFB_INVALID_SOCKET) {
		if (poll(polls, G_N_ELEMENTS(polls), -1) < 0 && errno != EINTR)
			return;
		eventfd_read(session->wake_fd, &wakes);
		vnc_session_follow_picture(session);
		vnc_session_follow_cursor(session);
		vnc_session_follow_text(session);
		if (session->client->sock != RFB_INVALID_SOCKET && polls[0].revents)
			vnc_session_hear(session);
		rfbUpdateClient(session->client);
	}
}

static gpointer
vnc_session_run(gpointer user_data)
{
	struct vnc_session *session = user_data;

	if (vnc_session_open(session))
		vnc_session_serve(session);
	if (session->client && session->client->sock != RFB_INVALID_SOCKET)
		rfbCloseClient(session->client);
	if (session->client)
		rfbClientConnectionGone(session->client);
	if (session->screen)
		rfbScreenCleanup(session->screen);
	g_free(session->pixels);
	g_free(session->text);
	shutdown(session->fd, SHUT_RDWR);
	vnc_mail_put(session->mail, VNC_EVENT_ENDED, 0, 0);
	return NULL;
}

/* The main thread. */

void
vnc_session_wake(struct vnc_session *session)
{
	eventfd_write(session->wake_fd, 1);
}

void
vnc_session_show_text(struct vnc_session *session, const char *text)
{
	g_mutex_lock(&session->text_lock);
	g_free(session->to_client);
	session->to_client = g_strdup(text);
	g_mutex_unlock(&session->text_lock);
	vnc_session_wake(session);
}

char *
vnc_session_take_text(struct vnc_session *session)
{
	char *text;

	g_mutex_lock(&session->text_lock);
	text = g_steal_pointer(&session->from_client);
	g_mutex_unlock(&session->text_lock);
	return text;
}

struct vnc_session *
vnc_session_new(int fd, const char *name, struct surface *surface,
		void (*handle)(void *context, const struct vnc_event *event), void *context)
{
	static GOnce once = G_ONCE_INIT;
	int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct vnc_session *session;

	/* The library uses select(2). */
	if (wake_fd < 0 || MAX(fd, wake_fd) >= FD_SETSIZE / 2) {
		if (wake_fd >= 0)
			close(wake_fd);
		close(fd);
		return NULL;
	}
	g_once(&once, vnc_library_prepare, NULL);
	session = g_new0(struct vnc_session, 1);
	session->name = g_strdup(name);
	session->surface = surface;
	session->fd = fd;
	session->wake_fd = wake_fd;
	session->cut_caps = VNC_CUT_CAPS_BEFORE;
	g_mutex_init(&session->text_lock);
	session->mail = vnc_mail_new(handle, context);
	session->thread = g_thread_new("vnc", vnc_session_run, session);
	return session;
}

void
vnc_session_free(struct vnc_session *session)
{
	vnc_mail_close(session->mail);
	shutdown(session->fd, SHUT_RDWR);
	g_thread_join(session->thread);
	vnc_mail_free(session->mail);
	close(session->fd);
	close(session->wake_fd);
	g_mutex_clear(&session->text_lock);
	g_free(session->to_client);
	g_free(session->from_client);
	g_free(session->name);
	g_free(session);
}
