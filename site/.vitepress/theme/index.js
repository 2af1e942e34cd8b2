/** Without fonts of its own: the system's are there at once, and weigh nothing. */
export { default } from 'vitepress/theme-without-fonts'
