//! The one loop that decides where everything goes. I/O: reads stores, writes decisions.
