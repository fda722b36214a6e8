"""The page: what ops see in a browser, served by the collector itself; nothing on it comes from elsewhere.

Pages are made on the server and work without script but for the upload; script adds live rows, local times, keys.
"""
