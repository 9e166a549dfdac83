/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * sink_vnc.c - a sink over libvncserver (carrel-display)
 *
 * How it works: libvncserver waits for a client that does not read, so each client has a thread "vnc" of its own, with a screen
 * of its own: struct vnc_session. vnc_session_run() sleeps until its client says something, or a refresh wakes it through
 * an eventfd; it then copies what is damaged from the surface into the session's own pixels and lets the library work.
 * What the client does goes to the main thread by vnc_mail.c. To end a session the main thread shuts its socket down,
 * which ends every wait, and joins the thread.
 *
 * The library opens no socket. Who comes here has shown a ticket and a password inside TLS, so RFB's own passwords are off, and
 * its built-in HTTP server, file transfer and chat stay off. A client speaks only after the server (tls_link.c), so its first
 * bytes cannot make the library guess WebSockets or TLS.
 */
#include "display/sink_vnc.h"

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
#include "display/vnc_keys.h"
#include "display/vnc_mail.h"

#define PIXEL_BYTES 4
#define MAX_CLIENT_WAIT \
	10000 /* ms in which a client must read something, or the rest of a message come */
#define NO_PICTURE_WIDTH  640 /* as long as the source has none */
#define NO_PICTURE_HEIGHT 480
#define KEYS		  256

/* "QEMU Extended Key Event" in the community's description of RFB (rfbproto) */
#define QEMU_KEY_ENCODING (-258)
#define QEMU_MESSAGE	  255
#define QEMU_MESSAGE_KEY  0

struct sink_vnc {
	struct sink sink;
	char *name;
	struct surface *surface;
	const struct sink_events *events;
	void *context;
	GMutex lock; /* refreshes come from the sources' threads */
	struct vnc_session *session;
	bool pressed[KEYS];
	uint32_t buttons;
};

struct vnc_session {
	struct sink_vnc *sink;
	struct vnc_mail *mail;
	GThread *thread;
	int fd; /* the library has its own copy */
	int wake_fd;
	/* of the thread */
	rfbScreenInfoPtr screen;
	rfbClientPtr client; /* NULL: gone */
	uint8_t *pixels;
	uint64_t generation; /* of what the pixels show; 0: nothing */
	uint64_t cursor_shape;
	bool cursor_visible;
	bool frame_told;
};

/* RFB's buttons, by their bit (RFC 6143 section 7.5.5). */
static const enum source_button button_table[] = {
	SOURCE_BUTTON_LEFT,	SOURCE_BUTTON_MIDDLE,	  SOURCE_BUTTON_RIGHT,
	SOURCE_BUTTON_WHEEL_UP, SOURCE_BUTTON_WHEEL_DOWN,
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
	if (surface_copy_rect(session->sink->surface, session->generation, rect, part) < 0)
		return;
	for (size_t row = 0; row < rect->height; row++)
		memcpy(target + row * stride, part + row * row_bytes, row_bytes);
	rfbMarkRectAsModified(session->screen, (int)rect->x, (int)rect->y,
			      (int)(rect->x + rect->width), (int)(rect->y + rect->height));
}

static void
vnc_session_follow_picture(struct vnc_session *session)
{
	struct surface *surface = session->sink->surface;
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

	surface_copy_cursor(session->sink->surface, seen, &cursor);
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
	if (qnum > 0 && qnum < KEYS)
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
	screen->desktopName = session->sink->name;
	/* No port: nothing is opened (tests/unit/test_sink_vnc.c looks). */
	screen->port = 0;
	screen->ipv6port = 0;
	screen->autoPort = FALSE;
	screen->alwaysShared = TRUE;
	screen->permitFileTransfer = FALSE;
	screen->maxClientWait = MAX_CLIENT_WAIT;
	screen->deferUpdateTime = 0;
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
		rfbProcessEvents(session->screen, 0);
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
	shutdown(session->fd, SHUT_RDWR);
	vnc_mail_put(session->mail, VNC_EVENT_ENDED, 0, 0);
	return NULL;
}

/* The main thread. */

static void
sink_vnc_press(struct sink_vnc *self, uint32_t qnum, bool down)
{
	self->pressed[qnum] = down;
	self->events->key(self->context, qnum, down);
}

static void
sink_vnc_set_buttons(struct sink_vnc *self, uint32_t buttons)
{
	uint32_t changed = buttons ^ self->buttons;

	self->buttons = buttons;
	for (size_t i = 0; i < G_N_ELEMENTS(button_table); i++)
		if (changed & 1U << i)
			self->events->button(self->context, button_table[i], buttons & 1U << i);
}

static void
sink_vnc_end_session(struct sink_vnc *self)
{
	struct vnc_session *session = self->session;

	if (!session)
		return;
	g_mutex_lock(&self->lock);
	self->session = NULL;
	g_mutex_unlock(&self->lock);
	vnc_mail_close(session->mail);
	shutdown(session->fd, SHUT_RDWR);
	g_thread_join(session->thread);
	vnc_mail_free(session->mail);
	close(session->fd);
	close(session->wake_fd);
	g_free(session);
	for (uint32_t qnum = 0; qnum < KEYS; qnum++)
		if (self->pressed[qnum])
			sink_vnc_press(self, qnum, false);
	sink_vnc_set_buttons(self, 0);
}

static void
sink_vnc_set_position(struct sink_vnc *self, uint32_t x, uint32_t y)
{
	struct surface_info info = surface_get_info(self->surface);

	if (info.width > 0)
		self->events->position(self->context, 0, MIN(x, info.width - 1),
				       MIN(y, info.height - 1));
}

static void
sink_vnc_handle_event(void *context, const struct vnc_event *event)
{
	struct sink_vnc *self = context;

	switch (event->kind) {
	case VNC_EVENT_KEY:
		sink_vnc_press(self, event->a, event->b);
		break;
	case VNC_EVENT_POSITION:
		sink_vnc_set_position(self, event->a, event->b);
		break;
	case VNC_EVENT_BUTTONS:
		sink_vnc_set_buttons(self, event->a);
		break;
	case VNC_EVENT_SIZE:
		self->events->size_wanted(self->context, 0, event->a, event->b);
		break;
	case VNC_EVENT_FRAME:
		self->events->drawn(self->context);
		break;
	case VNC_EVENT_ENDED:
		sink_vnc_end_session(self);
		break;
	}
}

static void
sink_vnc_refresh(struct sink *sink)
{
	struct sink_vnc *self = (struct sink_vnc *)sink;

	g_mutex_lock(&self->lock);
	if (self->session)
		eventfd_write(self->session->wake_fd, 1);
	g_mutex_unlock(&self->lock);
}

static int
sink_vnc_add_client(struct sink *sink, int fd)
{
	struct sink_vnc *self = (struct sink_vnc *)sink;
	struct vnc_session *session;
	int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	/* The library uses select(2). */
	if (wake_fd < 0 || MAX(fd, wake_fd) >= FD_SETSIZE / 2) {
		if (wake_fd >= 0)
			close(wake_fd);
		close(fd);
		return -EMFILE;
	}
	sink_vnc_end_session(self);
	session = g_new0(struct vnc_session, 1);
	session->sink = self;
	session->fd = fd;
	session->wake_fd = wake_fd;
	session->mail = vnc_mail_new(sink_vnc_handle_event, self);
	session->thread = g_thread_new("vnc", vnc_session_run, session);
	g_mutex_lock(&self->lock);
	self->session = session;
	g_mutex_unlock(&self->lock);
	return 0;
}

static void
sink_vnc_free(struct sink *sink)
{
	struct sink_vnc *self = (struct sink_vnc *)sink;

	sink_vnc_end_session(self);
	g_mutex_clear(&self->lock);
	g_free(self->name);
	g_free(self);
}

static const struct sink_ops sink_vnc_ops = {
	.refresh = sink_vnc_refresh,
	.add_client = sink_vnc_add_client,
	.free = sink_vnc_free,
};

struct sink *
sink_vnc_new(const char *name, struct surface *const *surfaces, const struct sink_events *events,
	     void *context)
{
	static GOnce once = G_ONCE_INIT;
	struct sink_vnc *self = g_new0(struct sink_vnc, 1);

	g_once(&once, vnc_library_prepare, NULL);
	self->sink.ops = &sink_vnc_ops;
	self->name = g_strdup(name);
	self->surface = surfaces[0];
	self->events = events;
	self->context = context;
	g_mutex_init(&self->lock);
	return &self->sink;
}
