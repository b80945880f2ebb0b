//! The disk as SQLite sees it: a virtual file system on top of the real one.
//!
//! Everything is handed on to the operating system's own, so locks, shared
//! memory and paths are the real ones; only what changes a file is told to the
//! disk first, and refused once the power is off.

#![expect(unsafe_code, reason = "SQLite's interface for file systems is C")]

use std::ffi::{CStr, CString, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::ffi::{
    self, sqlite3_file, sqlite3_filename, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs, sqlite3_vfs_find,
    sqlite3_vfs_register,
};

use crate::disk::Shared;
use crate::names::FileId;
use crate::survival::Change;

/// Distinguishes the disks of one process.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// What a file system of ours knows, behind `pAppData`.
struct Root {
    disk: Arc<Shared>,
    real: *mut sqlite3_vfs,
}

/// An open file: ours first, the real one's bytes right after it.
#[repr(C)]
struct Open {
    head: sqlite3_file,
    root: *const Root,
    /// `None` for temporary files, which nobody expects to find again.
    file: Option<FileId>,
}

/// Registers a file system for a disk and returns its name. It is never
/// unregistered: connections may outlive the test that opened them.
pub(crate) fn register(disk: Arc<Shared>) -> String {
    let name = format!("powercut-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let c_name = CString::new(name.clone()).unwrap_or_default();
    // SAFETY: a null name asks for the default file system, which is never removed.
    let real = unsafe { sqlite3_vfs_find(std::ptr::null()) };
    assert!(!real.is_null(), "SQLite has a file system");
    let root = Box::into_raw(Box::new(Root { disk, real }));
    // SAFETY: `real` was checked; the table is plain data and may be copied.
    let mut table = unsafe { std::ptr::read(real) };
    let own = c_int::try_from(size_of::<Open>()).unwrap_or(c_int::MAX);
    table.szOsFile = table.szOsFile.saturating_add(own);
    table.pNext = std::ptr::null_mut();
    table.zName = c_name.into_raw();
    table.pAppData = root.cast();
    table.xOpen = Some(open);
    table.xDelete = Some(delete);
    // SAFETY: the table, its name and its root are leaked, so they live as long as SQLite uses them.
    let code = unsafe { sqlite3_vfs_register(Box::into_raw(Box::new(table)), 0) };
    assert_eq!(code, ffi::SQLITE_OK, "SQLite registers a file system");
    name
}

const METHODS: &sqlite3_io_methods = &sqlite3_io_methods {
    // Version 2 has shared memory and no memory-mapped reads, which would bypass us.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Returns the path SQLite hands over.
///
/// # Safety
/// `name` is null or a string that lives as long as the returned path is used.
unsafe fn path<'a>(name: *const c_char) -> Option<&'a Path> {
    // SAFETY: the caller's promise.
    let name = (!name.is_null()).then(|| unsafe { CStr::from_ptr(name) })?;
    Some(Path::new(OsStr::from_bytes(name.to_bytes())))
}

unsafe extern "C" fn open(
    vfs: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: SQLite hands back the table we registered, room of the size we
    // asked for, and a name that is null or a string.
    unsafe {
        (*file).pMethods = std::ptr::null();
        let root = (*vfs).pAppData.cast::<Root>().cast_const();
        let is_log = flags & (ffi::SQLITE_OPEN_WAL | ffi::SQLITE_OPEN_MAIN_JOURNAL) != 0;
        let known = match path(name).filter(|_| flags & ffi::SQLITE_OPEN_DELETEONCLOSE == 0) {
            None => None,
            Some(path) => match (*root).disk.open(path, is_log) {
                Ok(file) => Some(file),
                Err(_) => return ffi::SQLITE_CANTOPEN,
            },
        };
        let inner = file.cast::<Open>().add(1).cast::<sqlite3_file>();
        let Some(real_open) = (*(*root).real).xOpen else { return ffi::SQLITE_ERROR };
        let code = real_open((*root).real, name, inner, flags, out);
        if code == ffi::SQLITE_OK {
            file.cast::<Open>().write(Open { head: sqlite3_file { pMethods: METHODS }, root, file: known });
        }
        code
    }
}

unsafe extern "C" fn delete(vfs: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite hands back the table we registered and a string.
    unsafe {
        let root = (*vfs).pAppData.cast::<Root>().cast_const();
        if path(name).is_some_and(|path| (*root).disk.delete(path, sync_folder != 0).is_err()) {
            return ffi::SQLITE_IOERR_DELETE;
        }
        let Some(real_delete) = (*(*root).real).xDelete else { return ffi::SQLITE_ERROR };
        // The real folder need not be synced: this disk decides what survives.
        real_delete((*root).real, name, 0)
    }
}

/// Calls a method of the real file.
///
/// # Safety
/// `$file` is a file that [`open`] made.
macro_rules! real {
    ($file:expr, $method:ident $(, $argument:expr)*) => {{
        let inner = $file.cast::<Open>().add(1).cast::<sqlite3_file>();
        match (*(*inner).pMethods).$method {
            Some(method) => method(inner $(, $argument)*),
            None => ffi::SQLITE_NOTFOUND,
        }
    }};
}

/// Tells the disk about a change.
///
/// # Safety
/// `file` is a file that [`open`] made.
unsafe fn told(file: *mut sqlite3_file, tell: impl FnOnce(&Shared, FileId) -> bool) -> bool {
    // SAFETY: the caller's promise; the root is leaked.
    unsafe {
        let open = file.cast::<Open>();
        (*open).file.is_none_or(|known| tell(&(*(*open).root).disk, known))
    }
}

unsafe extern "C" fn read(file: *mut sqlite3_file, buffer: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls it for files that `open` made; arguments are handed on.
    unsafe {
        if !told(file, |disk, _| disk.check().is_ok()) {
            return ffi::SQLITE_IOERR_READ;
        }
        real!(file, xRead, buffer, amount, offset)
    }
}

unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite calls it for files that `open` made, with a buffer of that many bytes.
    unsafe {
        let bytes = std::slice::from_raw_parts(buffer.cast::<u8>(), usize::try_from(amount).unwrap_or(0)).to_vec();
        let change = Change::Write { offset: offset.unsigned_abs(), bytes };
        if !told(file, |disk, known| disk.change(known, change).is_ok()) {
            return ffi::SQLITE_IOERR_WRITE;
        }
        real!(file, xWrite, buffer, amount, offset)
    }
}

unsafe extern "C" fn truncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls it for files that `open` made.
    unsafe {
        if !told(file, |disk, known| disk.change(known, Change::Truncate(size.unsigned_abs())).is_ok()) {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        real!(file, xTruncate, size)
    }
}

unsafe extern "C" fn sync(file: *mut sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls it for files that `open` made. The real file need not
    // be synced: this disk decides what survives.
    unsafe { if told(file, |disk, known| disk.sync(known).is_ok()) { ffi::SQLITE_OK } else { ffi::SQLITE_IOERR_FSYNC } }
}

unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite calls it once, for files that `open` made.
    unsafe { real!(file, xClose) }
}

unsafe extern "C" fn file_size(file: *mut sqlite3_file, size: *mut sqlite3_int64) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xFileSize, size) }
}

unsafe extern "C" fn lock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xLock, level) }
}

unsafe extern "C" fn unlock(file: *mut sqlite3_file, level: c_int) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xUnlock, level) }
}

unsafe extern "C" fn check_reserved_lock(file: *mut sqlite3_file, out: *mut c_int) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xCheckReservedLock, out) }
}

unsafe extern "C" fn file_control(file: *mut sqlite3_file, operation: c_int, argument: *mut c_void) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xFileControl, operation, argument) }
}

unsafe extern "C" fn sector_size(file: *mut sqlite3_file) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xSectorSize) }
}

unsafe extern "C" fn device_characteristics(file: *mut sqlite3_file) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xDeviceCharacteristics) }
}

unsafe extern "C" fn shm_map(
    file: *mut sqlite3_file,
    page: c_int,
    page_bytes: c_int,
    extend: c_int,
    out: *mut *mut c_void,
) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xShmMap, page, page_bytes, extend, out) }
}

unsafe extern "C" fn shm_lock(file: *mut sqlite3_file, offset: c_int, count: c_int, flags: c_int) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xShmLock, offset, count, flags) }
}

unsafe extern "C" fn shm_barrier(file: *mut sqlite3_file) {
    // SAFETY: handed on as it came.
    unsafe {
        let inner = file.cast::<Open>().add(1).cast::<sqlite3_file>();
        if let Some(barrier) = (*(*inner).pMethods).xShmBarrier {
            barrier(inner);
        }
    }
}

unsafe extern "C" fn shm_unmap(file: *mut sqlite3_file, delete: c_int) -> c_int {
    // SAFETY: handed on as it came.
    unsafe { real!(file, xShmUnmap, delete) }
}
